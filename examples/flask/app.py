"""A small Flask app. In this folder: pip install -r requirements.txt && ostler serve"""

from flask import Flask, jsonify, request

app = Flask(__name__)


@app.get("/")
def index():
    return "Hello from Flask.\n"


@app.get("/hello/<name>")
def hello(name):
    return f"Hello, {name}.\n"


@app.post("/sum")
def total():
    numbers = request.get_json()["numbers"]
    return jsonify(sum=sum(numbers))


@app.get("/environ")
def environ():
    """What the gateway tells an app about a request."""
    shown = {key: value for key, value in request.environ.items() if isinstance(value, str)}
    return jsonify(dict(sorted(shown.items())))
