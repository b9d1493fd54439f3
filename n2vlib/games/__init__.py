"""Games of two players who have to talk, after Translating Neuralese (Andreas, Dragan and Klein 2017, section 7).

game        what a game is
reference   of two things one is meant, and only the speaker knows which
colors      colors with names, for the reference game
driving     two cars at a crossing, who do not see each other
creatures   things of a reference game: drawn creatures, described in phrases with slips
captioned   things of a reference game: features and captions of the user's
recorded    games that people played, or a script
logs        the released games of people who drive, or others of that form, read and checked
log_fields  the fields of such a file
scripted    drivers by a script, with phrases and slips, where no logs are at hand
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
