"""Takes BENCH_MEAN_MS for a request: exactly that, or exponentially distributed when BENCH_SPREAD is `exp`."""
import os
import random
import time

MEAN = float(os.environ["BENCH_MEAN_MS"]) / 1000
SPREAD = os.environ.get("BENCH_SPREAD", "fixed")


def app(environ, start_response):
    time.sleep(random.expovariate(1 / MEAN) if SPREAD == "exp" else MEAN)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
