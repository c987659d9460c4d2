"""The bench: data, training, fair comparison and reports around `fusions` and `encoders`.

What a run goes through, from top to bottom; a file imports from those below it only.

    commands/     the command line, a file per kind of command; cli.py puts them together
    calibrate/    how far verdicts and estimates are to be trusted, where the truth is known
    perf/         speed and memory: of reading features, of encoding
    sync/         music-motion synchronicity: score, yardsticks, what it predicts, for whom, suggestions
    encoding.py   what a request would have encoded, how long that takes, which weights it needs
    request.py    what is asked for, checked; weights.py: what takes the place of encoders without weights,
                  and which can be trained;
                  workflow.py carries it out; publish.py draws what is stored
    experiments/  one file each: variants, what is measured in them, verdict, figures
    report/       sheets (one table object) and their writers, captions, parts of figures, the page
    compare/      stored predictions, or those of others, as one frame; tests, verdicts, power
    tune.py       the search for each method's own settings: space.py, budget.py; match.py: equal parameters
    predict.py    a kept method applied to new rows
    plan.py       which runs make up which row; store.py: runs as sealed folders
    runner.py     executes what is not stored; executors.py: where; workers.py: the processes of `local`
    plugins.py    code from elsewhere
    observe/      what a run can record beside its predictions
    metrics.py    a record per metric, computed from stored predictions; predictions.py: their columns
    trial.py      one trial: split, fit, predict; spec.py: what decides it; finetuning.py: the same where
                  encoders are trained
    methods/      fit and predict: networks around a fusion, with encoders or without, references; tasks
    features/     the cache of encoded items, features by source, batches; features that encoders join the
                  model for; altered copies for inspection
    data/         descriptions, reading, splits, checks, proposals, generators, published datasets
    paper/        the numbers that the MEMF paper prints, and their audit

Files to touch, one each: a fusion (fusions/), an encoder (encoders/), an experiment with its verdict and
figure (experiments/), a metric (metrics.py), a reference (methods/references.py), a generator
(data/synthetic/).
"""
