"""How far this suite's own instruments are to be trusted, measured where the answer is known.

verdicts.py   how often verdicts are false where there is nothing to find
flaws.py      methods that read the test part, go by ids or order, or ignore their inputs
shares.py     what entities are worth, by several estimators, beside what was planted
order.py      how often the order of fusion that fits what was planted wins
work.py       what is done is kept on disk: a killed calibration goes on where it stood
pages.py      tables and the figure
"""
