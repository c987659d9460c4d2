"""The embedded dataset `livestream`: real files, made from factors that are known.

`generate` writes a folder in the layout that any dataset of the suite has (dataset.toml, tables, images,
video, audio), with the attributes of Tables 1-4 of the paper, and log10 sales calibrated to its Table 5.
Beside them it writes `truth.json`: what a model could reach at best, and what each entity is worth. Only
tests and reports may look there; nothing that learns ever reads it.

Where the factors are
---------------------
Each (entity, modality) has one factor with 7 levels, 0..6. The lowest and the highest are twenty times as
frequent as any other; z = (level - 3) / 2.87 has mean 0 and variance 1. Every stream has its own room, video
and audio; anchors (0.4 per stream) and commodities (0.6 per stream, 1-6 in each stream) recur. A stream has
1-3 clips, of the same level.

========  ======================================  =================================================
modality  how the level shows                     what varies beside it
========  ======================================  =================================================
text      in every text attribute of the entity,  which graded words, their order, two filler words
          `level` of six graded words are from
          the high list, the others from the low
image     mean colour, dark cold to bright warm   shapes, as much lighter as darker; slant of the
                                                  light; grain
numeric   every column grows with the level,      price and duration: a jitter of 0.2 levels;
          evenly on a log scale; score is exact   an anchor's counts: a scatter of 0.4 levels
video     background colour, speed of a disc      start and direction, speed by 8 %, grain
audio     pitch (steps of four semitones),        phase, timbre, pitch by 1 %, noise
          loudness, pulses per second
========  ======================================  =================================================

A level can be read from its files practically without error, so the stated ceiling is one that can be
reached. Unlike a real recording, video and audio carry nothing of the other entities: that would blur what
an entity is worth.

How sales follow
----------------
log10 sales = signal + noise. The noise has 7 % of the variance, so the best reachable R2, that of the
signal itself, is 0.93. A commodity's factor counts as its mean over the commodities of the stream. The
variance of the signal divides into

    commodity 0.36, anchor 0.28, video 0.16, room 0.12, audio 0.08

by the Shapley rule (the product of two entities' factors belongs half to each), for every interaction. With
an interaction planted, 32 % of it are products of factors, which no additive model can explain:

===========  ==========================================================================================
interaction  products, with their shares of the signal's variance
===========  ==========================================================================================
"entity"     text x image of the same anchor (0.11), same commodity (0.18), same room (0.03)
"modality"   text x text of anchor and commodity (0.28), image x image of anchor and room (0.04)
"none"       none: the factors alone have it all
===========  ==========================================================================================

An entity's own factors have the rest of its share in equal parts. Products of independent standardised
factors have mean 0 and variance 1 and are uncorrelated with the factors, so these shares add up exactly.
They are the population's; a sample departs a little from them, and truth.json states both, as well as what
is lost when one entity is left out (R2 is lost in proportion: times 0.93). The three interactions share
every file but samples.csv (its sales), dataset.toml (its description) and truth.json.

Calibration
-----------
The drawn levels have those frequencies, give or take one, and are reshuffled bit by bit where that brings
the sample's shares nearer to the population's. The noise is made exactly uncorrelated with the signal in the
sample. One affine map then gives log10 sales the realised mean 4.99 and standard deviation 1.07 (n in the
denominator), with what lies beyond 20.30 yuan (1.3075) or 1e8 yuan (8.0) clipped: up to three of 440
streams, as a rule. truth.json counts them and states the realised ceiling after it.

Why these sizes
---------------
So that three seeds under the preset `quick` find what is planted. Mean squared error of the best fusion less
that of a ridge, and the difference that would have been found in four cases of five ("entity", memf and fc,
lstm too in the last row but one, against the references; the last row is the whole comparison, 38 rows):

=======  ========================  ========  =======  ==========  ==========
streams  frequencies of levels     products  ceiling  difference  detectable
=======  ========================  ========  =======  ==========  ==========
800      equal                     20 %      0.85     -0.09       0.18
800      equal                     34 %      0.85     -0.17       0.33
480      equal                     43 %      0.85     -0.05       0.38
480      4, 2, 1, 1, 1, 2, 4       43 %      0.90     -0.35       0.26
400      10, 2, 1, 1, 1, 2, 10     32 %      0.90     -0.24       0.16
440      20, 1, 1, 1, 1, 1, 20     32 %      0.93     -0.30       0.20
440      20, 1, 1, 1, 1, 1, 20     32 %      0.93     -0.29       0.22
=======  ========================  ========  =======  ==========  ==========

It is the levels that decide: with equal frequencies most products are near 0 and few are large, so that a few
hundred streams teach a network little of them, and their squared errors have heavy tails. A product between
entities is found when it is one large one: of 400 streams, memf, modality first, is ahead of a ridge by 0.06
(detectable 0.34) with products of 14, 14, 2 and 2 %, by 0.18 (0.41) with 26 and 6 %.
"""

from bench.data.synthetic.livestream.factors import Interaction
from bench.data.synthetic.livestream.folder import generate

__all__ = ["Interaction", "generate"]
