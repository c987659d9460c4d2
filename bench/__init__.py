"""The bench: data, training, fair comparison and reports around `fusions` and `encoders`.

What a run goes through, from top to bottom; a file imports from those below it only.

    cli.py        the command line; commands/: a file per kind of command; terminal.py: what they share
    calibrate/    how far verdicts and estimates are to be trusted, where the truth is known
    perf/         speed and memory: of reading features, of encoding
    sync/         music-motion synchronicity: score, yardsticks, what it predicts, for whom, suggestions
    encoding.py   what a request would have encoded, how long that takes, which weights it needs
    workflow.py   carries out what is asked for; weights.py: what takes the place of encoders without weights,
                  and which can be trained; request.py checks what is asked for; publish.py draws what is
                  stored; inventory.py lists
    experiments/  one file each: variants, what is measured in them, verdict, figures
    report/       sheets (one table object) and their writers, captions, parts of figures, the page
    progress.py   how far runs and searches are, in the terminal
    tune.py       the search for each method's own settings
    compare/      stored predictions, or those of others, as one frame; tests, verdicts, power
    predict.py    a kept method applied to new rows
    runner.py     executes what is not stored; budget.py: what a search may spend
    store.py      runs as sealed folders
    match.py      equal parameters; space.py: what may be tuned
    observe/      what a run can record beside its predictions
    trial.py      one trial: split, fit, predict
    methods/      fit and predict: networks around a fusion, with encoders or without, references; tasks
    metrics.py    a record per metric, computed from stored predictions; predictions.py: their columns
    plan.py       which runs make up which row; variants.py: what an experiment compares
    features/     the cache of encoded items, features by source, batches; features that encoders join the
                  model for; altered copies for inspection
    finetuning.py which encoders are trained, and how
    spec.py       what decides a number
    data/         descriptions, reading, splits, checks, proposals, generators, published datasets
    executors.py  where work is done; workers.py: the processes of `local`; template.py: what they are
                  forks of; serving.py: what they do; doctor.py: what this machine has
    plugins.py    code from elsewhere
    sourcecode.py the source that decides a number
    paper/        the numbers that the MEMF paper prints, and their audit
    config.py     settings and presets; environment.py, failure.py, isolation.py, files.py, seeds.py,
                  labels.py, version.py, errors.py: what all the others use

Files to touch, one each: a fusion (fusions/), an encoder (encoders/), an experiment with its verdict and
figure (experiments/), a metric (metrics.py), a reference (methods/references.py), a generator
(data/synthetic/). Three: a modality (encoders/base.py and data/schema.py name it, an encoder reads it).
"""
