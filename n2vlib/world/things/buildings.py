"""Buildings and street furniture."""

BUILDINGS = """
house/gable 5.2 1.1 a=red,yellow,orange,coat~brick,brick,wood r=red,brown,grey,orange~tile d=brown,blue,green,red~wood
  box red-~brick @chimney 68 6 78 36
  box a 8 42 92 100
  poly a- 8 42 50 10 92 42
  poly r @roof 0 46 46 4 54 4 100 46 92 46 50 13 8 46
  box cream 16 51 36 72
  box glass~glass @window !glow 18 53 34 70
  box cream 25 53 27 70 
  box cream 64 51 84 72
  box glass~glass @window !glow 66 53 82 70
  box cream 73 53 75 70
  disc glass~glass @window !glow 50 31 6
  box cream 41 62 59 100 3
  box d @door 43 64 57 100 3
  disc yellow !flat 54 83 1.4

house/side 4.2 1.6 a=white,yellow,orange,blue,green,pink~plaster,wood r=red,brown,grey,blue~tile d=brown,red,green~wood
  box grey~stone 70 2 78 30
  box a 5 42 95 100
  poly r @roof -1 46 14 10 86 10 101 46
  box r-- 2 44 98 48
  box d 14 54 34 76
  box glass~glass @window !glow 16 56 32 74
  box cream 23 56 25 74
  box cream 16 64 32 66
  box d 66 54 86 76
  box glass~glass @window !glow 68 56 84 74
  box cream 75 56 77 74
  box cream 68 64 84 66
  box d @door 42 58 57 100 3
  box glass~glass @window 45 62 54 72
  disc yellow !flat 54 82 1.2

skyscraper/glass 16 .42 a=blue,grey,green,purple,white~glass
  box a 4 3 96 100
  box a+ 4 3 40 100
  grid glass~glass @window !glow 8 6 92 96 4 14 34
  box a-- 2 1 98 4

skyscraper/stone 11 .6 a=brown,grey,pink,orange,red,yellow~brick
  box a 4 8 96 100
  box a- 0 5 100 10
  box a- 30 0 52 5
  grid glass~glass @window !glow 10 14 90 82 4 6 44
  box a-- 40 88 60 100

barn 5 1.35 a=red,brown,red~wood r=grey,brown,black~metal
  poly a 6 100 6 44 22 20 50 4 78 20 94 44 94 100
  poly r @roof 0 48 18 16 50 0 82 16 100 48 93 48 77 22 50 8 23 22 7 48
  box cream 40 22 60 40
  box brown-- 42 24 58 38
  box cream 31 54 69 100
  box a- @door 33 57 49 100
  box a- @door 51 57 67 100
  limb cream 1.6 33 58 49 99
  limb cream 1.6 67 58 51 99

lighthouse 9 .34 a=white,cream~stone b=red,blue,black~stone
  poly a 24 100 34 22 66 22 76 100
  poly b 31 46 33 32 67 32 69 46
  poly b 27 76 29 60 71 60 73 76
  box b- 22 18 78 22
  box yellow~glass !glow 36 9 64 18
  poly b 28 9 50 0 72 9
  box bark~wood 42 88 58 100 6

tent 2 1.6 a=orange,green,yellow,blue,red,purple~fabric
  poly a- 30 2 98 98 62 98
  poly a 30 2 2 98 62 98
  poly a---- 31 30 18 98 48 98
  poly a+ 31 30 18 98 12 98
  limb cream 1.2 96 98 101 100

fence 1 5 a=oak,white,bark,cream~wood
  box a- 0 30 100 42
  box a- 0 62 100 74
  box a 2 8 6.6 100 1.6
  box a 12 8 16.6 100 1.6
  box a 22 8 26.6 100 1.6
  box a 32 8 36.6 100 1.6
  box a 42 8 46.6 100 1.6
  box a 52 8 56.6 100 1.6
  box a 62 8 66.6 100 1.6
  box a 72 8 76.6 100 1.6
  box a 82 8 86.6 100 1.6
  box a 92 8 96.6 100 1.6

bench .95 1.9 a=oak,red,green,bark~wood
  box black~metal 12 50 16 100
  box black~metal 84 50 88 100
  box a @back 4 6 96 18 1
  box a @back 4 24 96 36 1
  box a- 2 50 98 60 1
  box a 0 58 100 66 1

umbrella 2.4 1.05 a=red,orange,yellow,blue,green,pink,purple~fabric b=white,yellow~fabric
  limb oak~wood 3.4 52 98 48 14
  blob a 0 46 10 20 46 2 88 22 98 48 74 42 50 45 24 41
  blob b 24 41 34 18 46 3 62 18 70 42 50 45
  poly a 40 43 44 14 47 3 52 14 57 43

streetlight 5.4 .26 a=black,grey,green~metal
  limb a 8 30 99 30 12 44 3 74 4
  box a 18 95 42 100 4
  poly a- 56 3 94 3 100 8 50 8
  oval yellow~glass !glow 75 8.6 18 2.6

traffic_light 3.4 .26 a=black,grey~metal
  box a 42 34 58 100
  box yellow-~metal 8 0 92 38 12
  disc red !glow 50 8 21
  disc orange- 50 19 21
  disc green !glow 50 30 21

ball .42 1 a=red,blue,yellow,orange,green,white b=white,yellow,blue
  disc a 50 50 49
  blob b 12 34 50 22 88 36 97 50 84 56 50 44 16 56 3 50
"""
