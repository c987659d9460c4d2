cd /tmp/tests-work
first="test_figures test_misbehaving test_executors test_tune test_calibrate test_experiments test_fresh test_flaws test_encoder_plugins test_damaged test_sync_score test_shortvideo"
for t in $first; do ./one.sh /tmp/tests-work/base $t.py before; done
for p in base/tests/test_*.py; do t=$(basename $p .py); case " $first " in *" $t "*) ;; *) ./one.sh /tmp/tests-work/base $t.py before;; esac; done
