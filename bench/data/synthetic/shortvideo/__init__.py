"""The embedded dataset `shortvideo`: short videos whose motion goes with their music as well as is planted.

`generate` writes real MP4 files with a sound track, a table of posts, the description that ships as an
example for anyone's short videos (`bench/data/examples/shortvideo.toml`), and `truth.json` beside them,
which only tests and evaluations read.

What is in a video
------------------
Music of one of six genres, at 80 to 160 beats a minute: drums, bass and chords on a grid of sixteenths, with
the genre's pattern, timbre and swing; a quiet intro of two or four beats in half of the videos. Loud are the
strokes of a phrase (`phrase`), three to six sixteenths apart; what is between them is weak, but for the
chords of reggae, which are all off the beat. Motion at given moments, the strokes of the motion: two shapes
and a stick figure speed up and turn, and some of the strokes cut to another scene. What varies beside that
and means nothing: the camera shakes, the more the poorer the production; light changes; the figure sways.

Synchronicity
-------------
The motion of a video is put off its music in three ways, in shares that are drawn: strokes of the music that
have no motion, an offset (at most a quarter beat), and another tempo (that comes apart by at most a beat).
`factors.timing` says what is then left of synchronicity, a number in 0 .. 1.

Engagement
----------
The logarithm of the expected likes (comments, shares, plays) rises with synchronicity by a slope that
influencer type and genre decide, for one type by 0 and for one it falls. Followers and quality of production
raise engagement and synchronicity both: a regression that leaves them out gives synchronicity too much. Tempo
and hour raise engagement too; every influencer adds something of their own (videos of one influencer are a
group). All counts of a video share a gamma factor, around which they are Poisson: each is negative binomial.
"""

from bench.data.synthetic.shortvideo.folder import generate

__all__ = ["generate"]
