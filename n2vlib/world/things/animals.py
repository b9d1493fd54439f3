"""Animals and people. Far limbs are drawn first and a shade darker."""

ANIMALS = """
dog .75 1.25 a=brown,white,black,orange,grey,tan~fur
  limb a- @leg 8 32 62 30 96
  limb a- @leg 8 66 62 67 96
  A: limb a @tail 7 13 46 5 34 3 20
  B: limb a @tail 7 13 48 4 56 2 68
  blob a 9 50 18 38 44 38 66 32 80 38 80 58 70 72 42 70 18 74 10 64
  limb a @leg 9 20 64 18 80 20 96
  limb a @leg 9 74 60 75 96
  oval cream~fur 75 60 7 12
  oval a @head 80 26 15 18
  oval a+ @head 92 33 9 9
  oval black @head !flat 98 29 3 3.4
  A: blob a- @ear 66 14 76 12 78 34 70 42 63 32
  B: poly a- @ear 68 16 70 -4 82 12
  disc black @eye !flat 84 22 2.2
  box red~fabric 68 41 84 46 2

cat .55 1.1 a=orange,grey,black,white,brown~fur
  limb a- @leg 8 34 66 33 96
  limb a- @leg 8 64 66 66 96
  limb a 7 12 56 4 40 8 22 2 10
  blob a 10 56 26 44 56 46 74 44 78 60 68 76 40 74 18 78
  limb a @leg 9 22 70 22 96
  limb a @leg 9 72 64 72 96
  poly a- @ear 64 16 66 -6 78 12
  poly a- @ear 82 12 96 -6 97 16
  oval a @head 80 28 19 19
  oval cream~fur @head 84 36 9 8
  disc black @eye !flat 76 26 2.4
  disc black @eye !flat 90 26 2.4
  disc pink @head !flat 84 33 2

cow 1.5 1.45 a=white,brown,black,orange~fur b=black,brown,white,grey~fur
  limb a- @leg 8 28 60 28 97
  limb a- @leg 8 62 60 62 97
  limb a @tail 3 7 34 3 50 4 66
  oval b @tail 4 68 3 6
  blob a 6 40 14 26 50 30 76 24 84 38 80 62 66 70 22 70 8 60
  blob b 16 34 30 30 40 42 32 56 20 52
  blob b 52 34 66 32 70 46 60 58 50 48
  oval pink 36 70 8 6
  limb a @leg 8.5 16 62 16 97
  limb a @leg 8.5 74 62 74 97
  limb cream @horn 4 80 14 78 2 82 -3
  limb cream @horn 4 92 14 97 4 94 -3
  oval b 73 20 7 5
  blob a @head 76 14 88 10 97 18 97 38 92 46 84 44 78 32
  oval pink @head 93 41 8 8
  disc black @eye !flat 87 22 1.8

horse 1.85 1.2 a=brown,tan,black,white,grey,orange~fur b=black,brown,white,yellow~fur
  limb a- @leg 7 28 60 26 78 30 97
  limb a- @leg 7 64 60 68 78 66 97
  blob b @tail 10 42 2 46 -2 66 3 80 10 66 14 50
  blob a 8 48 18 38 48 42 66 36 78 42 76 58 64 66 40 66 16 66
  blob a 60 44 72 20 82 10 90 18 84 36 80 56
  blob b 58 44 64 24 74 8 82 6 78 18 72 34
  limb a @leg 7.5 18 62 16 78 18 97
  limb a @leg 7.5 72 60 72 97
  poly a- 78 10 79 -3 86 8
  blob a @head 78 10 86 7 98 24 100 32 94 36 82 26
  oval a- @head 97 31 4 4.4
  disc black @eye !flat 87 15 1.7

sheep .95 1.3 a=white,cream,grey~fur b=black,brown,pink
  limb b @leg 7 26 70 26 97
  limb b @leg 7 66 70 66 97
  limb b- @leg 7 36 70 36 95
  limb b- @leg 7 58 70 58 95
  oval a 6 48 7 9
  oval a 22 44 18 22
  oval a 42 34 20 22
  oval a 64 40 18 24
  oval a 34 58 22 20
  oval a 58 60 22 18
  oval a 45 48 30 26
  blob b @head 72 26 84 18 96 32 97 46 88 52 78 46
  oval b- 72 30 7 5
  oval a 80 22 10 9
  disc white @eye !flat 88 34 2.2
  disc black @eye !flat 88 34 1.2

camel 2.3 1.1 a=tan,orange,brown~fur b=red,purple,blue~fabric
  limb a- @leg 6 30 60 28 97
  limb a- @leg 6 60 60 62 97
  limb a 3 8 44 4 64
  blob a 6 50 14 38 26 38 32 18 40 16 46 34 54 18 62 18 68 38 76 48 72 62 40 66 14 64
  blob a 68 44 80 50 86 34 86 12 94 10 94 36 88 62 74 64
  limb a @leg 6.5 18 60 17 97
  limb a @leg 6.5 68 60 70 97
  blob a @head 84 14 88 4 97 8 103 16 100 21 90 20
  oval a- 85 5 3 4
  disc black @eye !flat 92 9 1.4
  poly b 32 40 48 38 50 62 30 62

bird/perched .42 1.25 a=red,blue,yellow,black,orange,grey,purple,brown~fur
  poly a- 2 62 30 50 32 64 4 76
  limb orange @leg 3 50 78 50 98
  limb orange @leg 3 60 78 60 98
  blob a 22 56 40 36 64 40 74 54 68 76 48 84 30 76
  oval cream~fur 64 68 12 14
  oval a @head 70 30 16 20
  blob a- 26 52 48 46 58 58 46 72 30 68
  poly orange @beak 83 24 100 33 83 38
  disc black !flat 75 26 2.6

bird/flying .6 2.1 a=white,black,grey,brown,white~fur
  blob a- @wing 52 62 62 34 76 22 99 30 82 38 70 56 58 78
  blob a 34 66 44 52 58 54 66 64 58 80 42 84
  poly a- 36 66 22 62 24 78
  blob a @wing 48 62 38 34 24 20 1 26 18 36 30 56 42 78
  oval a @head 66 58 7 13
  poly orange @beak 71 52 80 60 71 64

duck .5 1.35 a=white,yellow,brown,grey~fur b=green,white,yellow,brown~fur
  poly a- 2 50 24 58 18 74
  blob a 10 66 26 54 56 60 70 52 84 66 78 88 54 97 22 92
  blob a- @wing 24 66 44 60 62 70 52 82 32 82
  limb b 13 74 62 74 34
  oval b @head 76 24 14 19
  blob orange @beak 86 22 100 28 98 34 86 33
  disc black !flat 80 19 2.3

person/standing 1.72 .44 s=skin h=hairs t=cloth~fabric l=blue,grey,brown,black,green~fabric
  limb l @leg 15 37 58 36 95
  limb l @leg 15 61 58 63 95
  oval bark 33 97 12 3
  oval bark 66 97 12 3
  limb t- @arm 11 26 32 15 48 18 60
  oval s @arm 18 62 6 2.8
  A: box t @torso 23 26 77 62 16
  B: box t %stripes @torso 23 26 77 62 16
  limb t @arm 11 74 32 86 48 82 60
  oval s @arm 82 62 6 2.8
  box s @head 42 18 58 28
  A: oval h @hair 50 10 25 10.5
  B: oval h @hair 50 12 27 13
  oval s @head 51 13 21 10
  blob h @hair 28 12 32 3 50 0 70 3 74 11 64 6 44 8 34 8
  disc black !flat 46 13 2.6
  disc black !flat 61 13 2.6

person/walking 1.72 .52 s=skin h=hairs t=cloth~fabric l=blue,grey,brown,black~fabric
  limb l- @leg 14 46 58 34 76 20 92
  oval bark 20 96 11 3.4
  limb t- @arm 10 40 32 24 46 18 58
  oval s @arm 17 60 5.4 2.8
  limb l @leg 14 52 58 66 76 68 94
  oval bark 72 97 11 3
  box t @torso 30 26 70 62 15
  limb t @arm 10 60 32 72 46 84 54
  oval s @arm 86 55 5.4 2.8
  box s @head 46 18 58 28
  oval h @hair 49 10 23 10.5
  oval s @head 52 13 19 10
  blob h @hair 29 14 31 3 50 0 70 3 72 9 56 6 40 9
  disc black !flat 56 13 2.4
  disc black !flat 67 13 2.4

person/dress 1.65 .46 s=skin h=black,brown,yellow,orange,red t=cloth~fabric
  limb s @leg 9 40 70 39 95
  limb s @leg 9 58 70 60 95
  oval red 37 97 10 2.8
  oval red 62 97 10 2.8
  oval h @hair 50 15 28 17
  limb s @arm 8 29 32 18 46 22 58
  A: blob t @torso 34 26 66 26 70 44 86 74 50 79 14 74 30 44
  B: blob t %spots @torso 34 26 66 26 70 44 86 74 50 79 14 74 30 44
  limb s @arm 8 71 32 82 46 78 58
  box s @head 44 18 56 27
  oval s @head 50 13 20 10
  blob h @hair 26 16 30 3 50 -1 70 3 74 16 66 7 50 6 38 8
  disc black !flat 44 13 2.6
  disc black !flat 58 13 2.6
"""
