"""Explanations of single answers: LIME, and what they say beside what really happens (Ribeiro et al. 2016)."""
