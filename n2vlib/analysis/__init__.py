"""What follows from scores and weights: the questions of the papers, one file each. Tables in, tables out."""
