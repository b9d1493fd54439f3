"""The driving game of a single pair of cars, cell by cell, written from its rules: the oracle of the game of many."""

from n2vlib.games.driving import DIRECTIONS, ROADS, SIZE

AHEAD = {"n": (-1, 0), "e": (0, 1), "s": (1, 0), "w": (0, -1)}


class SlowCar:
    """One car, written from the rules: cells are pairs, directions letters."""

    def __init__(self, head, direction, goal):
        self.head, self.direction, self.goal, self.done = head, direction, goal, False

    def moved(self, action):
        if self.done:
            return
        if action in ("left", "right"):
            at = DIRECTIONS.index(self.direction) + (1 if action == "right" else -1)
            self.direction = DIRECTIONS[at % 4]
        if action != "stay":
            self.head = tuple(min(7, max(0, x + y)) for x, y in zip(self.head, AHEAD[self.direction], strict=True))

    def cells(self):
        if self.done:
            return []
        behind = tuple(x - y for x, y in zip(self.head, AHEAD[self.direction], strict=True))
        return [self.head] + ([behind] if all(0 <= x < SIZE for x in behind) else [])

    def far(self):
        return sum(abs(x - y) for x, y in zip(self.head, self.goal, strict=True))


def slow_step(road, cars, actions):
    """Reward, and whether the game is over; the cars are moved."""
    before = [car.far() for car in cars]
    for car, action in zip(cars, actions, strict=True):
        car.moved(action)
    cells = [cell for car in cars for cell in car.cells()]
    crash = len(set(cells)) < len(cells)
    reward = -0.01 - 0.5 * sum(ROADS[road][r][c] == "#" for r, c in set(cells)) - 2 * crash
    for car, far in zip(cars, before, strict=True):
        if car.done:
            continue
        if car.head == car.goal:
            reward, car.done = reward + 1, True
        else:
            reward += 0.1 * (far - car.far())
    return reward, crash or all(car.done for car in cars)
