"""Vehicles and other things that travel."""

VEHICLES = """
car 1.45 2.1 a=gloss~metal
  A: blob a 2 72 2 58 10 48 25 44 34 20 46 13 62 13 73 21 82 44 94 50 98 62 97 76 50 82
  A: poly glass~glass @window 30 44 38 23 51 21 51 44
  A: poly glass~glass @window 55 44 55 21 65 22 75 44
  B: blob a 2 76 3 52 8 20 20 10 60 10 70 18 80 44 94 50 98 62 97 76 50 82
  B: poly glass~glass @window 12 42 14 20 34 18 34 42
  B: poly glass~glass @window 38 42 38 18 58 18 58 42
  B: poly glass~glass @window 62 42 62 19 67 21 74 42
  box a- 4 68 97 80 4
  box a+ @door 36 48 53 75 3
  box a+ @door 56 48 73 75 3
  box cream~metal 48 53 52 55
  oval yellow @headlight !glow 95 58 3 6
  oval red 3 60 1.6 5
  disc black @wheel 23 80 9.6
  disc steel~metal @wheel 23 80 5
  disc black @wheel 77 80 9.6
  disc steel~metal @wheel 77 80 5

bus 2.6 2.2 a=red,yellow,blue,green,orange,purple~metal b=white,yellow
  box a 1 6 99 88 5
  box b~metal 1 58 99 66
  box a- 1 80 99 88 3
  grid glass~glass @window !glow 4 16 78 48 5 1 16
  box glass~glass @window !glow 90 16 98 50 2
  box a- @door 79 18 89 85 2
  box glass~glass @door !glow 80 22 88 70 1
  oval yellow @headlight !glow 96 73 1.8 4
  disc black @wheel 20 87 5.8
  disc steel~metal @wheel 20 87 2.8
  disc black @wheel 70 87 5.8
  disc steel~metal @wheel 70 87 2.8

truck 2.7 1.9 a=red,blue,green,orange,yellow~metal b=white,brown,grey,blue~metal
  box b 1 8 66 80 3
  box b- 1 72 66 80
  limb b- 1.2 18 14 18 70
  limb b- 1.2 34 14 34 70
  limb b- 1.2 50 14 50 70
  blob a 69 82 68 40 72 27 86 27 92 46 98 54 98 80
  poly glass~glass @window 76 48 76 33 85 33 90 48
  box a+ @door 73 52 84 78 2
  oval yellow @headlight !glow 96 64 2 4
  box black 4 80 97 86
  disc black @wheel 17 87 7
  disc steel~metal @wheel 17 87 3.4
  disc black @wheel 36 87 7
  disc steel~metal @wheel 36 87 3.4
  disc black @wheel 82 87 7
  disc steel~metal @wheel 82 87 3.4

bicycle 1.15 1.6 a=red,blue,green,yellow,orange,purple~metal
  ring black @wheel 22 67 20 3
  ring black @wheel 78 67 20 3
  limb steel 1 22 67 36 55
  limb a 3.2 22 67 42 36 68 36 50 67 22 67
  limb a 3.2 42 36 50 67
  limb a 3.2 67 26 78 67
  limb brown @handlebar 3.4 60 21 68 22 76 18
  oval black 41 29 9 4

boat/sail 6.5 .95 a=white,red,blue,brown,orange,green~wood b=red,orange,blue,yellow,pink,white~fabric
  limb bark~wood 2.6 50 84 50 3
  blob b @sail 53 8 62 30 90 68 70 72 53 70
  poly cream~fabric @sail 46 18 46 70 10 70
  blob a @hull 2 80 30 81 70 81 99 78 88 94 76 98 24 98 12 94
  poly b 5 85 95 84 91 89 9 89

boat/motor 2.6 2.1 a=white,red,blue,brown,orange,green~wood b=white,yellow,red,blue~metal
  poly b 30 56 34 16 66 16 72 56
  poly glass~glass @window !glow 37 46 39 24 49 24 49 46
  poly glass~glass @window !glow 53 46 53 24 63 24 67 46
  box a- 28 8 70 16 3
  limb steel~metal 1.6 58 8 58 -14
  poly red~fabric 58 -14 76 -8 58 -2
  blob a @hull 2 52 30 57 70 56 99 46 91 80 80 96 20 97 9 82
  poly b 6 66 95 62 93 70 8 73

airplane 8 2.3 a=white,red,blue,grey,yellow~metal b=red,blue,orange,purple
  poly b @tail 5 48 4 8 16 10 26 46
  poly a- @wing 44 50 58 18 66 18 62 52
  blob a 3 52 14 42 50 38 84 42 98 54 88 66 50 69 18 62
  grid glass~glass @window !glow 26 46 78 55 9 1 40
  poly glass~glass @window 86 45 94 50 86 53
  poly b @wing 36 58 60 58 38 92 28 92
  poly b @tail 8 52 20 52 8 66 2 66

tractor 2.3 1.35 a=red,green,blue,orange~metal b=yellow,white
  poly glass~glass @window 16 40 18 10 46 10 52 40
  limb black 4 16 42 19 8
  limb black 4 46 8 53 44
  box a 12 3 52 10 3
  blob a 14 76 12 46 30 40 56 42 90 46 96 54 95 74
  box steel 80 14 84 46
  poly b~metal 70 50 92 52 92 62 70 62
  disc black @wheel 30 71 21
  disc b~metal @wheel 30 71 11
  disc black @wheel 82 83 12
  disc b~metal @wheel 82 83 6

balloon 9 .72 a=red,orange,yellow,purple,pink,blue~fabric b=white,yellow,red,blue~fabric
  oval a 50 38 49 38
  blob a 4 50 96 50 64 78 36 78
  oval b 50 38 29 38
  blob b 24 56 76 56 58 78 42 78
  oval a- 50 38 10 38
  limb bark 1.6 38 76 42 90
  limb bark 1.6 62 76 58 90
  box oak~wood 37 88 63 100 5

kite 1.7 .8 a=red,orange,yellow,purple,pink,green~fabric b=white,yellow,blue,red~fabric
  limb cream !flat 2 50 60 62 74 46 86 58 100
  poly a 50 2 96 28 50 66
  poly b 50 2 4 28 50 66
  poly b- 50 2 74 15 50 28
  poly a- 4 28 50 28 50 66
  poly a @tail 62 74 74 70 70 80
  poly b @tail 46 86 34 82 38 92
"""
