"""Networks that play games together and invent messages, models of people who play, and what their messages mean.

team        two agents and their noisy channel (Andreas, Dragan and Klein 2017, section 6)
play        n games at once, of any two players, with a translation of what they hear
learning    deep Q-learning from games that are played
people      a model of people, and people whose games were recorded
beliefs     how probable a message is for what its speaker may have seen
society     all that is trained for a game: teams of several seeds, models of messages, a model of people
training    training it, as it ships with the zoo or for the user's game
creatures   drawn creatures as a network of the zoo sees them
translating   translators of a team's messages, and what they are made from
evaluation  mixed teams with a translator, and whether the right belief arrives
planted     a planted code, whose every message has a known meaning
attributes  which attributes of a creature a translation keeps
variants    translations when one choice of the criterion is another
story       a game of driving as tables, for its viewer
readout     which attributes of a creature a linear classifier reads from messages
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
