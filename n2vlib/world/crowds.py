"""Which things appear in each of the twelve scenes, how often and where: the crowd of a scene.

A crowd is a list of lines `kind percent count place`, where count is `low-high` and place is `near-near` (nearness on
the ground, 0 at the horizon, 1 at the bottom edge), `sky low-high` or `wall low-high` (height in pixels), or `on`
(stands on tables and cabinets). The rare concepts are those with a low percentage in one or two scenes.
"""

from functools import lru_cache

Row = tuple[str, float, int, int, str, float, float]


@lru_cache
def crowd_rows(text: str) -> tuple[Row, ...]:
    """Lines of a crowd as (kind, percent, fewest, most, place, low, high)."""
    rows: list[Row] = []
    for line in text.strip().splitlines():
        kind, percent, count, *place = line.split()
        fewest, most = (int(v) for v in count.split("-"))
        low, high = (float(v) for v in place[-1].split("-")) if place[-1] != "on" else (0.0, 0.0)
        rows.append(
            (kind, float(percent), fewest, most, place[0] if not place[0][0].isdigit() else "ground", low, high)
        )
    return tuple(rows)


CROWDS = {
    "beach": """
        cloud 60 1-3 sky 7-13
        bird/flying 25 1-3 sky 4-7
        airplane 2 1-1 sky 5-8
        kite 2.5 1-1 sky 12-18
        boat 31 1-2 0.1-0.17
        palm 45 1-2 0.45-0.9
        umbrella 50 1-3 0.5-0.95
        person 13 1-2 0.5-0.95
        ball 25 1-1 0.5-0.9
        rock 25 1-2 0.45-1.0
        dog 10 1-1 0.6-0.95
        chair 6 1-2 0.6-0.95
        tent 8 1-1 0.5-0.8
        bird/perched 10 1-2 0.7-1.0""",
    "street": """
        cloud 30 1-2 sky 7-11
        airplane 2 1-1 sky 4-7
        bird/flying 8 1-2 sky 4-6
        tree 40 1-2 0.36-0.46
        streetlight 45 1-2 0.42-0.52
        traffic_light 30 1-1 0.44-0.6
        bench 12 1-1 0.42-0.5
        person 15 1-3 0.44-0.55
        dog 8 1-1 0.44-0.56
        cat 6 1-1 0.44-0.56
        car 45 1-3 0.6-1.0
        bus 24 1-1 0.58-0.7
        truck 16 1-1 0.58-0.75
        bicycle 18 1-1 0.5-1.0""",
    "park": """
        cloud 45 1-3 sky 7-12
        bird/flying 12 1-2 sky 4-6
        kite 2.5 1-1 sky 12-18
        tree 75 1-4 0.2-0.7
        bush 40 1-3 0.2-0.7
        bench 30 1-1 0.4-0.8
        person 16 1-2 0.4-0.95
        dog 22 1-1 0.5-1.0
        bicycle 15 1-1 0.5-0.95
        ball 25 1-1 0.45-0.9
        flower 45 2-5 0.5-1.0
        streetlight 20 1-1 0.35-0.6
        duck 10 1-3 0.6-1.0
        bird/perched 16 1-2 0.6-1.0
        fence 12 1-2 0.25-0.4""",
    "forest": """
        bird/flying 6 1-1 sky 4-6
        pine 82 2-5 0.25-0.65
        tree 75 1-4 0.25-0.75
        bush 45 1-3 0.4-1.0
        rock 30 1-2 0.5-1.0
        tent 22 1-1 0.5-0.8
        mushroom 5 1-3 0.75-1.0
        flower 18 1-3 0.7-1.05
        bird/perched 20 1-2 0.6-1.0
        person 7 1-2 0.5-0.9
        horse 5 1-1 0.5-0.8
        dog 7 1-1 0.6-0.95""",
    "farm": """
        cloud 50 1-3 sky 7-12
        balloon 1.6 1-1 sky 18-30
        barn 58 1-1 0.22-0.36
        house 18 1-1 0.2-0.3
        tree 40 1-3 0.18-0.45
        fence 45 1-3 0.35-0.6
        cow 45 1-3 0.4-0.95
        horse 32 1-2 0.4-0.95
        sheep 42 1-4 0.4-0.95
        tractor 5.5 1-1 0.4-0.8
        duck 14 1-3 0.7-1.0
        dog 8 1-1 0.6-0.95
        person 7 1-1 0.45-0.9
        truck 8 1-1 0.4-0.6
        flower 12 1-4 0.7-1.05""",
    "mountain_snowy": """
        cloud 40 1-2 sky 6-10
        airplane 3 1-1 sky 5-8
        balloon 1.6 1-1 sky 18-30
        bird/flying 12 1-2 sky 4-6
        pine 74 1-5 0.2-0.65
        house 35 1-1 0.26-0.45
        rock 28 1-3 0.4-1.0
        tent 16 1-1 0.45-0.8
        person 10 1-2 0.5-0.95
        dog 7 1-1 0.6-0.95
        fence 10 1-1 0.4-0.6""",
    "harbor": """
        cloud 45 1-2 sky 6-11
        bird/flying 34 1-4 sky 4-8
        lighthouse 32 1-1 0.1-0.22
        boat 95 1-4 0.12-0.42
        duck 14 1-3 0.5-0.7
        person 12 1-2 0.85-1.0
        streetlight 15 1-1 0.8-0.88
        bench 7 1-1 0.85-0.95
        bicycle 8 1-1 0.85-1.0
        bird/perched 12 1-2 0.85-1.0
        cat 7 1-1 0.9-1.0""",
    "desert": """
        cloud 18 1-2 sky 5-8
        airplane 2 1-1 sky 5-8
        balloon 2 1-1 sky 18-30
        cactus 75 1-4 0.25-1.0
        rock 44 1-4 0.3-1.0
        camel 42 1-3 0.35-0.9
        tent 18 1-1 0.35-0.7
        person 7 1-2 0.45-0.9
        palm 10 1-2 0.3-0.6
        car 5 1-1 0.45-0.8
        truck 5 1-1 0.4-0.6
        bush 14 1-2 0.4-0.9""",
    "kitchen": """
        windowpane 50 1-1 wall 26-36
        clock 38 1-1 wall 9-14
        painting 12 1-1 wall 13-18
        refrigerator 65 1-1 0.62-0.66
        stove 68 1-1 0.62-0.66
        cabinet 55 1-2 0.62-0.68
        table 55 1-1 0.82-1.02
        chair 36 1-2 0.8-1.0
        person 7 1-1 0.7-0.95
        cat 9 1-1 0.85-1.0
        cup 55 1-3 on
        bottle 50 1-3 on
        vase 12 1-1 on""",
    "bedroom": """
        windowpane 42 1-1 wall 28-38
        painting 40 1-2 wall 13-20
        clock 10 1-1 wall 9-13
        bed 86 1-1 0.68-0.95
        cabinet 50 1-1 0.62-0.66
        lamp/floor 18 1-1 0.64-0.8
        rug 30 1-1 0.9-1.0
        chair 12 1-1 0.64-0.9
        bookcase 10 1-1 0.62-0.64
        cat 14 1-1 0.85-1.0
        person 4 1-1 0.7-0.9
        ball 5 1-1 0.9-1.0
        lamp/table 45 1-1 on
        book 20 1-1 on""",
    "living_room": """
        windowpane 40 1-1 wall 28-38
        painting 50 1-3 wall 13-22
        clock 12 1-1 wall 9-13
        sofa 78 1-1 0.64-0.85
        bookcase 28 1-1 0.62-0.64
        cabinet 28 1-1 0.62-0.66
        lamp/floor 40 1-1 0.64-0.8
        rug 42 1-1 0.92-1.04
        table 30 1-1 0.9-1.08
        person 7 1-1 0.7-0.95
        cat 14 1-1 0.85-1.0
        dog 14 1-1 0.85-1.0
        monitor 22 1-1 on
        vase 30 1-1 on
        book 18 1-2 on
        cup 10 1-1 on""",
    "office": """
        windowpane 42 1-2 wall 26-36
        clock 36 1-1 wall 9-14
        painting 20 1-1 wall 13-20
        bookcase 50 1-1 0.62-0.64
        cabinet 35 1-1 0.62-0.66
        table 88 1-2 0.74-1.0
        chair 54 1-2 0.72-1.02
        person 10 1-1 0.68-0.95
        lamp/floor 8 1-1 0.62-0.66
        monitor 78 1-2 on
        book 32 1-2 on
        cup 28 1-1 on
        lamp/table 20 1-1 on
        vase 7 1-1 on""",
}
