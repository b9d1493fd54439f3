"""Furniture and the small things on and around it."""

INDOORS = """
table .78 1.9 a=oak,white,brown,bark~wood top=10,90,4
  box a-- 14 12 19 96
  box a-- 81 12 86 96
  box a- 8 12 92 24
  box a 6 10 12 100
  box a 88 10 94 100
  box a+ 0 3 100 14 2

cabinet .95 1.6 a=oak,white,blue,green,brown,bark~wood top=8,92,2
  box a-- 8 90 14 100
  box a-- 86 90 92 100
  box a 2 5 98 92 2
  box a+ 0 0 100 8 1
  A: box a+ @drawer 6 14 48 36 1
  A: box a+ @drawer 52 14 94 36 1
  A: box a+ @drawer 6 40 48 62 1
  A: box a+ @drawer 52 40 94 62 1
  A: box a+ @drawer 6 66 48 88 1
  A: box a+ @drawer 52 66 94 88 1
  B: box a+ 6 15 48 88 1
  B: box a- 11 23 43 80 1
  B: box a+ 52 15 94 88 1
  B: box a- 57 23 89 80 1
  B: disc yellow~metal 45.5 52 1.8
  B: disc yellow~metal 54.5 52 1.8
  A: box yellow~metal 22 23 32 27
  A: box yellow~metal 68 23 78 27
  A: box yellow~metal 22 49 32 53
  A: box yellow~metal 68 49 78 53

chair 1 .56 a=oak,white,red,blue,bark,green,yellow~wood b=red,blue,green,yellow,orange,pink~fabric
  box a- 22 56 30 95
  box a- 80 56 88 95
  box a 10 56 19 100
  box a 68 56 77 100
  poly a 8 0 19 0 21 56 10 56
  poly a 60 0 71 0 73 56 62 56
  box a 10 6 70 14 4
  box a- 12 22 70 29 4
  box a- 12 36 70 43 4
  poly b @seat 8 52 76 52 92 60 90 66 6 66

sofa .95 2.25 a=red,blue,green,grey,orange,purple,yellow,brown,pink~fabric b=white,yellow,orange,blue,pink,green~fabric
  box bark~wood 8 90 12 100
  box bark~wood 88 90 92 100
  box a @back 8 8 92 70 8
  A: box a- @back 49.4 12 50.6 56
  B: box a- @back 49.4 12 50.6 56
  A: box b @pillow 17 34 33 60 4
  A: box b- %stripes @pillow 69 34 85 60 4
  box a+ 14 56 49 74 4
  box a+ 51 56 86 74 4
  box a- 8 72 92 92 3
  box a 1 36 15 92 6
  box a 85 36 99 92 6

bed 1.05 2.05 a=oak,white,bark,brown~wood b=blue,red,pink,green,yellow,purple,white,orange~fabric
  box a 1 4 7 100 2
  box a- 93 44 98 100 2
  box a- 4 74 96 88
  box cream~fabric 6 52 95 76 4
  blob cream~fabric @pillow 8 54 10 38 20 34 30 40 30 54 18 58
  A: blob b 28 52 50 44 80 46 96 50 97 70 94 84 60 86 34 84 28 70
  B: blob b %stripes 28 52 50 44 80 46 96 50 97 70 94 84 60 86 34 84 28 70
  blob b+ 26 52 38 46 42 60 40 84 30 84 26 70

bookcase 2 .8 a=oak,brown,white,bark~wood
  box a 0 0 100 100 2
  box a--- 7 4 93 30
  box a--- 7 34 93 62
  box a--- 7 66 93 94
  box red 10 8 20 30
  box blue 21 12 29 30
  box yellow 30 7 38 30
  box green 40 10 52 30
  box purple 54 8 62 30
  box orange 70 12 80 30
  box white 81 9 89 30
  box green 10 40 22 62
  box orange 24 42 31 62
  box red 33 38 43 62
  box blue 58 40 66 62
  box pink 67 44 77 62
  box brown 79 38 90 62
  box yellow 10 72 20 94
  box blue 22 74 34 94
  box white 36 70 44 94
  box red 46 74 54 94
  box purple 66 72 74 94
  box green 76 70 88 94

lamp/floor 1.75 .36 a=yellow,white,orange,pink,blue~fabric b=black,oak~metal
  limb b 7 50 96 50 26
  oval b 50 97 28 3
  poly a @shade !glow 26 2 74 2 96 28 4 28
  poly a+ @shade !glow 34 2 52 2 50 28 16 28

lamp/table .62 .62 a=yellow,white,orange,pink,green~fabric b=blue,white,brown,red,green
  blob b 40 98 30 78 44 56 56 56 70 78 60 98
  poly a @shade !glow 26 2 74 2 98 52 2 52
  poly a+ @shade !glow 34 2 52 2 50 52 14 52

refrigerator 1.85 .5 a=white,grey,red,blue,green,yellow~metal
  box a 2 0 98 98 6
  box a+ @door 6 2 94 34 5
  box a+ @door 6 37 94 95 5
  box steel~metal @handle 14 16 20 31 2
  box steel~metal @handle 14 41 20 62 2

stove .95 .82 a=white,grey,black,red,green~metal top=6,94,2
  box a 2 4 98 98 2
  box black~metal 0 1 100 7 1
  box a- 4 10 96 26
  disc black 18 18 4.5
  disc black 36 18 4.5
  disc black 64 18 4.5
  disc black 82 18 4.5
  box a+ 8 32 92 90 3
  box black~glass 20 46 80 78 4
  box steel~metal 16 36 84 40

windowpane 1.35 .95 a=white,oak,white,bark~wood
  box a 0 0 100 100
  box glass~glass 6 5 94 93
  A: blob leaf~glass !flat 6 93 6 72 30 66 56 74 80 62 94 68 94 93
  B: poly white~glass !flat 14 30 30 20 46 30
  box a 48 4 52 94
  box a 6 44 94 49
  box a+ -4 95 104 102

curtain 1.75 .42 a=red,blue,green,yellow,orange,pink,purple,white~fabric
  A: box a -4 0 104 100
  B: box a %stripes -4 0 104 100
  box a- 10 1 20 100
  box a- 40 1 52 100
  box a- 76 1 86 100
  limb bark~wood 9 -12 1 112 1

painting .8 1.25 a=yellow,timber,black~wood b=blue,yellow,pink,white c=green,orange,purple,brown d=red,yellow,white
  box a 0 0 100 100
  box b !flat 8 10 92 90
  blob c !flat 8 92 8 62 34 44 60 66 92 56 92 90 50 88
  disc d !flat 68 32 9

rug .5 4 a=red,blue,green,orange,purple,grey,yellow~fabric b=white,yellow,blue,pink~fabric
  poly b !flat 12 4 88 4 100 98 0 98
  poly a !flat 15 14 85 14 94 86 6 86
  oval b !flat 50 50 26 24
  oval a- !flat 50 50 18 14

clock .42 1 a=red,black,blue,brown,green,orange b=white,cream
  disc a 50 50 49
  disc b 50 50 39
  limb black 6 50 50 50 22
  limb black 6 50 50 70 58

monitor .58 1.3 a=black,grey,white b=blue,green,purple,blue,white
  poly a 42 70 58 70 66 98 34 98
  box a 0 2 100 78 4
  box b~glass @screen !glow 5 8 95 71
  box b++ !glow @screen 12 18 52 24
  box b++ !glow @screen 12 32 70 38
  box b++ !glow @screen 12 46 40 52

book/standing .34 .95 a=red,blue,green,yellow,purple,orange b=brown,pink,white,blue c=red,green,orange,yellow
  box a 2 6 34 100 3
  box b 36 0 62 100 3
  box c 64 14 98 100 3
  box cream 6 20 30 28
  box cream 68 26 94 34

book/lying .2 1.9 a=red,blue,green,yellow,purple,orange b=brown,pink,white,blue,red
  box b 6 54 98 98 4
  box cream 10 62 99 90
  box a 0 6 90 50 4
  box cream 4 16 92 40

bottle .38 .3 a=green,brown,blue,red,orange~glass
  blob a 10 94 10 50 34 34 38 6 62 6 66 34 90 50 90 94 50 99
  box cream 12 56 88 80
  box bark 36 0 64 8

cup .22 1.15 a=red,white,blue,yellow,orange,pink,green
  ring a @handle 76 46 22 8
  blob a 6 6 40 4 74 6 72 50 62 94 40 97 18 94 8 50
  oval a-- 40 9 33 8

vase .72 .55 a=blue,white,orange,pink,green,red b=pink,yellow,red,purple,white
  limb leaf 5 50 60 32 24
  limb leaf 5 50 60 52 16
  limb leaf 5 50 60 72 26
  disc b @petal 28 20 15
  disc b- @petal 74 22 15
  disc b+ @petal 50 11 17
  blob a 36 52 64 52 62 62 84 80 70 98 30 98 16 80 38 62
  box a+ 34 50 66 54 3
"""
