"""Plants, rocks and clouds."""

PLANTS = """
tree/round 4.4 .82 a=leaf,leaf,leaf,autumn~foliage b=bark~wood
  limb b @trunk 9 50 98 49 70 52 50
  limb b @trunk 5 50 68 32 52
  limb b @trunk 5 51 66 68 50
  poly b @trunk 42 100 48 86 54 86 60 100
  oval a- @crown 26 44 25 19
  oval a- @crown 76 44 23 18
  oval a- @crown 50 52 30 16
  oval a @crown 36 28 28 21
  oval a @crown 66 30 27 20
  oval a+ @crown 50 20 26 19

tree/tall 5.2 .55 a=leaf,leaf,autumn~foliage b=bark~wood
  limb b @trunk 9 50 98 50 60
  limb b @trunk 5 50 72 34 58
  blob a- @crown 50 8 80 22 96 44 86 66 64 78 36 78 14 66 4 44 20 22
  oval a @crown 40 30 30 20
  oval a @crown 62 50 28 18
  oval a+ @crown 52 18 24 16
  oval a @crown 32 58 22 12

pine 5 .52 a=green,leaf~foliage b=bark~wood
  box b @trunk 43 82 57 100
  blob a- @crown 50 46 76 70 98 88 74 86 50 91 26 86 2 88 24 70
  blob a @crown 50 24 70 46 90 64 70 63 50 68 30 63 10 64 30 46
  blob a+ @crown 50 1 62 20 80 40 64 39 50 43 36 39 20 40 38 20

palm 4.6 .95 a=leaf,green~foliage b=bark,oak~wood
  limb b @trunk 6 42 98 44 74 49 52 55 30
  limb b- @trunk 5 44 74 44.6 71
  limb b- @trunk 5 49 52 49.6 50
  blob a- @crown 55 30 76 16 98 24 102 44 84 32 66 32
  blob a- @crown 55 30 34 16 12 22 4 42 24 32 44 32
  blob a @crown 55 30 76 26 90 40 92 62 78 48 62 36
  blob a @crown 55 30 34 28 22 42 20 62 34 50 48 36
  blob a+ @crown 55 30 50 12 32 2 14 6 34 14 46 26
  blob a+ @crown 55 30 60 10 78 0 96 4 78 12 64 24
  disc brown 52 34 4
  disc brown 59 35 4

bush 1 1.6 a=leaf,leaf,green,autumn~foliage
  oval a- 22 70 22 30
  oval a- 78 70 22 30
  oval a 38 48 26 40
  oval a 66 52 26 36
  oval a 50 74 42 26
  oval a+ 48 34 18 24

cactus 1.9 .62 a=green,leaf~foliage
  limb a 18 30 58 12 58 12 34
  limb a- 18 70 46 90 46 90 24
  limb a 26 50 92 50 14
  limb a+ 4 46 90 46 16
  limb a- 4 57 90 57 16
  disc pink 50 7 9
  disc pink 12 27 7

flower .46 .6 a=red,yellow,pink,purple,white,orange b=yellow,orange,brown
  limb leaf~foliage 7 50 98 48 66 50 40
  blob leaf~foliage 50 86 64 66 88 62 74 82
  blob leaf~foliage 50 90 36 72 12 70 26 86
  disc a- @petal 28 30 19
  disc a- @petal 72 30 19
  disc a @petal 50 14 21
  disc a @petal 36 48 19
  disc a @petal 64 48 19
  disc b 50 31 15

mushroom .5 1.05 a=red,brown,orange b=cream
  blob b 40 50 60 50 66 96 34 96
  blob a 2 56 14 22 50 2 86 22 98 56 76 62 50 56 24 62
  oval white 30 30 8 7
  oval white 60 20 7 6
  oval white 76 42 6 6

rock .7 1.7 a=grey,brown,grey~stone
  blob a 1 96 8 56 30 20 58 8 84 34 99 80 96 98 50 99
  poly a+ 16 56 32 24 56 14 50 44 30 62
  poly a- 60 96 66 44 84 42 98 88 92 98

cloud 3 2.4 a=white,cream
  oval a- 22 72 22 24
  oval a- 78 74 22 22
  oval a 40 50 26 40
  oval a 64 56 24 34
  blob a 2 92 14 66 50 60 86 66 98 92 50 97
"""
