"""What an app may say in start_response: checked here, so that a mistake is named where it was made."""

import re
from http import HTTPStatus

# Connection, Transfer-Encoding and the like belong to the server (PEP 3333), yet many apps set them for event streams.
# The gateway drops them from every child's answer, so nothing is said about them here.
PLAIN, LENGTH = 1, 2
DIGITS_MAX = 18   # of a Content-Length: nothing is longer, and it fits into 64 bits
KNOWN_MAX = 1024  # names and statuses remembered; apps that make names up do not fill the memory

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_WORDS = re.compile(r"[\t\x20-\x7e\x80-\xff]*\Z")  # RFC 9112 4
_STATUS = re.compile(r"[0-9]{3}(?: [^\r\n\0]*)?\Z")
_CONTROLS = bytes(set(range(1, 32)) - {9}) + b"\x7f"  # RFC 9110 5.5; NUL is counted, since it separates
_VISIBLE = bytes.maketrans(_CONTROLS, b" " * len(_CONTROLS))  # changes nothing but those; to delete them costs much more
_statuses = {}
_names = {}


def check_answer(status, headers):
    """(code, head as bytes, content length or None); raises an error that names what is wrong."""
    length = None
    try:
        code, words = _statuses.get(status) or check_status(status)
        if type(headers) is not list:
            headers = list(headers)  # an iterator can be read once
        is_doubled = False
        for name, value in headers:
            kind = _names.get(name) or check_name(name)
            if kind == LENGTH:
                is_doubled = length is not None
                length = check_length(value, length)
        if length is not None and (is_doubled or code == 204):
            headers = [pair for pair in headers if _names.get(pair[0]) != LENGTH]
            if code == 204:
                length = None
            else:
                headers.append(("Content-Length", str(length)))
        text = "\0".join(map("\0".join, headers))
        head = text.encode("latin-1")
    except (TypeError, UnicodeEncodeError):
        raise blame(status, headers) from None
    if head.translate(_VISIBLE) != head or (text and text.count("\0") != 2 * len(headers) - 1):
        raise blame(status, headers)
    return code, (words + b"\0" + head if words and head else words or head), length


def check_status(status):
    """The code of a status line, and its own words for it as a field; none for the usual ones."""
    if not isinstance(status, str):
        raise TypeError("the status must be a str such as '200 OK', not %r" % (status,))
    if not _STATUS.match(status):
        raise ValueError("the status must look like '200 OK', not %r" % status)
    code = int(status[:3])
    if not 200 <= code <= 599:
        raise ValueError("the status must be from 200 to 599, not %r" % status)
    known = code, own_words(code, status[4:]).encode("latin-1")
    if len(_statuses) < KNOWN_MAX:
        _statuses[status] = known
    return known


def own_words(code, words):
    """Words that the gateway would not use by itself."""
    try:
        usual = HTTPStatus(code).phrase
    except ValueError:
        usual = ""
    return "" if words in ("", usual) or not _WORDS.match(words) else ":reason\0" + words


def check_name(name):
    """The kind of a header by its name."""
    if not isinstance(name, str):
        raise TypeError("header names must be str, not %r" % (name,))
    if not _TOKEN.match(name):
        raise ValueError("%r is not a valid header name" % name)
    lower = name.lower()
    kind = LENGTH if lower == "content-length" else PLAIN
    if len(_names) < KNOWN_MAX or kind == LENGTH:
        _names[name] = kind
    return kind


def check_length(value, other):
    """The number of a Content-Length; `other` is that of an earlier one."""
    if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= DIGITS_MAX):
        raise ValueError("Content-Length must be a str of digits, not %r" % (value,))
    length = int(value)
    if other is not None and other != length:
        raise ValueError("two different Content-Length headers: %d and %d" % (other, length))
    return length


def blame(status, headers):
    """The error for the first thing that cannot be sent."""
    check_status(status)
    for name, value in headers:
        check_name(name)
        if not isinstance(value, str):
            return TypeError("the value of header %r must be a str, not %r" % (name, value))
        if "\0" in value or any(c in value for c in map(chr, _CONTROLS)):
            return ValueError("the value of header %r has a line break, NUL or another control character: %r" % (name, value))
        try:
            value.encode("latin-1")
        except UnicodeEncodeError:
            return ValueError("the value of header %r has characters outside latin-1: %r" % (name, value))
    return ValueError("the headers must be pairs of str: %r" % (headers,))
