"""What is done to a well-formed request, one to three times over."""

import json
import random
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.fuzz.connection import Request, chunked
from tests.fuzz.world import World, wrong_token

Mutate = Callable[[random.Random, World, Request], None]

MOST_MUTATIONS = 3

# Texts that have broken something somewhere: an encoding, a look-up, a format, a length.
ODD_TEXTS = (
    "",
    " ",
    ".",
    "..",
    "...",
    "-",
    "a--b",
    "A",
    "GCC",
    "İ",
    "ı",
    "ſ",
    "K",
    "ß",
    "ǅ",
    "é",
    "é",
    "\u200b",
    "\ufeff",
    "\u202e",
    "😀",
    "\n",
    "a\n",
    "\r\nSet-Cookie: a=b",
    "\t",
    "\x7f",
    "%",
    "%00",
    "%2e%2e",
    "%s%n",
    "{0}",
    "{{7*7}}",
    "'",
    '"',
    "\\",
    "a'; --",
    "a%_b",
    "<b>",
    "null",
    "None",
    "-1",
    "0",
    "1e9",
    "9" * 30,
    "latest",
    "sha256." + "0" * 64,
    "sha256." + "A" * 64,
    "sha256.",
    "a" * 128,
    "a" * 129,
    "a" * 5000,
    "a.b" * 60,
    "../../etc/passwd",
    "/",
    "//",
    ":",
    "::",
    "a:b:c",
    "@",
    "a@sha256:" + "0" * 64,
    "?",
    "#",
    ";",
)

ODD_BYTES = (
    b"%00",
    b"%C0%AE",
    b"%FF",
    b"%ED%A0%80",
    b"%F4%90%80%80",
    b"%E2%82",
    b"%2F",
    b"%2f%2F",
    b"%252F",
    b"%",
    b"%zz",
    b"%u0041",
    b"%0d%0a",
    b"%C4%B0",
    b"%EF%BC%8F",
    b"..",
    b"/../",
    b"/./",
    b"//",
    b"////////",
    b"\\",
    b"+",
    b"%20",
    b":",
    b"%3A",
    b"@",
    b";a=b",
    b"\xff",
    b"\xc3\xa9",
    b"~",
    b"*",
)

METHODS = (
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"PATCH",
    b"OPTIONS",
    b"TRACE",
    b"CONNECT",
    b"PROPFIND",
    b"FROBNICATE",
    b"SETUP",
)

NUMBERS = (
    0,
    -1,
    1,
    2**31,
    2**53,
    2**63 - 1,
    2**63,
    2**64,
    -(2**63) - 1,
    10**100,
    1.5,
    1e308,
    True,
    float("nan"),
    float("inf"),
    -float("inf"),
)


def mutate(chance: random.Random, world: World, request: Request) -> str:
    """Change the request in one to three ways; their names."""
    names = []
    for _ in range(chance.randint(1, MOST_MUTATIONS)):
        change = chance.choice(MUTATIONS)
        change(chance, world, request)
        names.append(change.__name__)
        if not request.is_sound:
            break
    # A body without its length is the next request; it may have got one after it lost the other.
    if request.body and not request.tells_length and not request.is_chunked:
        request.is_sound = False
    return "+".join(names)


# ── the target ──
def odd_path_part(chance: random.Random, _: World, request: Request) -> None:
    path, mark, query = request.target.partition(b"?")
    parts = path.split(b"/")
    odd = chance.choice(
        (quote(chance.choice(ODD_TEXTS), safe="").encode(), chance.choice(ODD_BYTES))
    )
    parts[chance.randrange(1, len(parts))] = odd
    request.target = b"/".join(parts) + mark + query


def bytes_in_path(chance: random.Random, _: World, request: Request) -> None:
    path, mark, query = request.target.partition(b"?")
    at = chance.randrange(1, len(path) + 1)
    request.target = path[:at] + chance.choice(ODD_BYTES) + path[at:] + mark + query


def encoded_path(chance: random.Random, _: World, request: Request) -> None:
    path, mark, query = request.target.partition(b"?")
    share = chance.choice((0.1, 0.5, 1.0))
    letters = [
        b"%%%02x" % byte if byte != 0x2F and chance.random() < share else bytes([byte])
        for byte in path
    ]
    request.target = b"".join(letters) + mark + query


def other_case(chance: random.Random, _: World, request: Request) -> None:
    path, mark, query = request.target.partition(b"?")
    request.target = chance.choice((path.upper(), path.swapcase())) + mark + query


def slashes(chance: random.Random, _: World, request: Request) -> None:
    path, mark, query = request.target.partition(b"?")
    parts = path.split(b"/")
    at = chance.randrange(1, len(parts) + 1)
    parts[at:at] = [b""] * chance.choice((1, 2, 30))
    request.target = b"/".join(parts) + mark + query


def longer_path(chance: random.Random, _: World, request: Request) -> None:
    path, mark, query = request.target.partition(b"?")
    more = chance.choice((b"/a" * 500, b"a" * 3000, b"/" * 3000, b"%C3%A9" * 500))
    request.target = (path + more)[:4000] + mark + query


def shorter_path(chance: random.Random, _: World, request: Request) -> None:
    path, mark, query = request.target.partition(b"?")
    request.target = path[: chance.randrange(1, len(path) + 1)] + mark + query


def absolute_target(chance: random.Random, _: World, request: Request) -> None:
    hosts = (b"http://127.0.0.1", b"http://other.example", b"HTTP://127.0.0.1:1", b"https://[::1]")
    if request.target.startswith(b"/"):
        request.target = chance.choice(hosts) + request.target


def odd_query(chance: random.Random, _: World, request: Request) -> None:
    path, _mark, query = request.target.partition(b"?")
    pairs = query.split(b"&") if query else []
    key = chance.choice((b"arch", b"value", b"signed", b"op", b"namespace", b"for", b"", b"a[b]"))
    texts = (
        quote(chance.choice(ODD_TEXTS), safe="").encode(),
        chance.choice(ODD_BYTES),
        b"amd64",
        b"AMD64",
        b"x86_64",
        b"armv7l",
        b"i686",
        b"a" * 3000,
        b",".join([b"amd64"] * 400),
    )
    for _ in range(chance.choice((1, 1, 2, 5))):
        pairs.append(key + chance.choice((b"=", b"=", b"%3D", b"")) + chance.choice(texts))
    chance.shuffle(pairs)
    request.target = (path + b"?" + b"&".join(pairs))[:4000]


def many_keys(chance: random.Random, _: World, request: Request) -> None:
    pairs = b"&".join(b"%d=" % number for number in range(chance.choice((100, 999, 1001))))
    request.target = request.target.partition(b"?")[0][:1000] + b"?" + pairs[:3000]


# ── the method ──
def other_method(chance: random.Random, _: World, request: Request) -> None:
    request.method = chance.choice(METHODS)


# ── headers ──
def odd_authorization(chance: random.Random, world: World, request: Request) -> None:
    token = chance.choice((world.mara.token, world.otto.token, wrong_token(chance))).encode()
    request.drop_header(b"Authorization")
    request.headers += chance.choice(
        (
            [(b"Authorization", b"Bearer")],
            [(b"Authorization", b"Bearer ")],
            [(b"Authorization", b"")],
            [(b"Authorization", token)],
            [(b"Authorization", b"Bearer  " + token + b"  ")],
            [(b"Authorization", b"Bearer\t" + token)],
            [(b"Authorization", b"Bearer " + token[:-1])],
            [(b"Authorization", b"Bearer " + token + b"x")],
            [(b"Authorization", b"Bearer " + token.swapcase())],
            [(b"Authorization", b"Bearer " + token + b"," + token)],
            [(b"Authorization", b"Bearer shub_" + b"\xff" * 219)],
            [(b"Authorization", b"Bearer " + b"a" * 6000)],
            [(b"Authorization", b"Basic bWFyYTpwYXNzd29yZA==")],
            [(b"Authorization", b"Basic " + token)],
            [(b"Authorization", b"Digest username=mara")],
            [
                (
                    b"Authorization",
                    b"SREGISTRY-HMAC-SHA256 Credential=push/bWFyYQ==/2024,Signature=00",
                )
            ],
            [(b"Authorization", b"Bearer " + token), (b"Authorization", b"Bearer " + token)],
            [(b"authorization", b"bEaReR " + token)],
            [(b"X-Authorization", b"Bearer " + token)],
            [(b"Cookie", b"sessionid=" + token[:32] + b"; csrftoken=" + token[32:64])],
            [(b"Proxy-Authorization", b"Bearer " + token)],
        )
    )


def odd_host(chance: random.Random, _: World, request: Request) -> None:
    hosts = (b"", b"other.example", b"127.0.0.1:99999", b"[::1]", b"[", b"a b", b"127.0.0.1@x")
    more = (b"localhost", b"LOCALHOST:80", b".", b"\xff", b"127.0.0.1,localhost", b"x" * 3000)
    request.set_header(b"Host", chance.choice(hosts + more))


def no_host(_: random.Random, __: World, request: Request) -> None:
    request.drop_header(b"Host")


def odd_header(chance: random.Random, _: World, request: Request) -> None:
    request.headers.append(
        chance.choice(
            (
                (b"Range", b"bytes=0-0"),
                (b"Range", b"bytes=-1"),
                (b"Range", b"bytes=5-1"),
                (b"Range", b"bytes=0-1,3-4,0-"),
                (b"Range", b"bytes=" + b"0-," * 500),
                (b"Range", b"bytes=" + b"9" * chance.choice((40, 5000)) + b"-"),
                (b"Range", b"lines=1-2"),
                (b"Range", b"bytes=a-b"),
                (b"If-Range", b'"x"'),
                (b"If-None-Match", b"*"),
                (b"If-Modified-Since", b"yesterday"),
                (b"Accept", b"text/html"),
                (b"Accept", b"application/xml;q=x"),
                (b"Accept", b"*/*;q=0"),
                (b"Accept-Language", b"xx-\xff"),
                (b"Accept-Encoding", b"br, gzip;q=nan"),
                (b"Content-Type", b"text/xml"),
                (b"Content-Type", b"multipart/form-data; boundary=" + b"b" * 300),
                (b"Content-Type", b"multipart/form-data"),
                (b"Content-Type", b"application/x-www-form-urlencoded"),
                (b"Content-Type", b"application/json; charset=utf-7"),
                (b"Content-Type", b"application/json; charset=nonsense"),
                (b"Content-Type", b";;;"),
                (b"Content-Encoding", b"gzip"),
                (b"X-HTTP-Method-Override", b"DELETE"),
                (b"X-Forwarded-Proto", b"https"),
                (b"X-Forwarded-Host", b"other.example"),
                (b"X-Forwarded-For", b"\xff"),
                (b"Forwarded", b"for=x;host=y"),
                (b"X-Script-Name", b"/x"),
                (b"X-CSRFToken", b"x"),
                (b"Origin", b"https://other.example"),
                (b"Referer", b"http://" + b"a" * 2000),
                (b"Cookie", b"a=b; sessionid=\xff; ;;="),
                (b"User-Agent", b""),
                (b"Upgrade", b"websocket"),
                (b"Connection", b"close"),
                (b"Connection", b"keep-alive, x"),
                (b"Date", b"x"),
                (b"X-Empty", b""),
                (b"X-Long", b"a" * 7000),
            )
        )
    )


def twice_the_same_header(chance: random.Random, _: World, request: Request) -> None:
    if request.headers:
        request.headers.append(chance.choice(request.headers))


def many_headers(chance: random.Random, _: World, request: Request) -> None:
    for number in range(chance.choice((20, 60))):
        request.headers.append((b"X-Number-%d" % number, b"a"))


def expects(chance: random.Random, _: World, request: Request) -> None:
    expected = chance.choice((b"100-continue", b"100-Continue", b"200-ok", b""))
    request.headers.append((b"Expect", expected))


# ── the body ──
def odd_json(chance: random.Random, _: World, request: Request) -> None:
    """One value of the object by another kind, or one key more or less."""
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError):
        return
    if not isinstance(value, dict):
        return
    key = chance.choice([*value, "more"])
    if chance.random() < 0.15:
        value.pop(key, None)
    else:
        value[key] = odd_value(chance)
    request.body = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode(
        errors="surrogatepass"
    )


def odd_value(chance: random.Random, depth: int = 0) -> Any:
    """Any JSON, and some that is none."""
    kind = chance.random()
    if kind < 0.45 or depth > 3:
        return chance.choice((*ODD_TEXTS, "\0", "a\0b", "\ud800", "\udfff\ud800"))
    if kind < 0.65:
        return chance.choice(NUMBERS)
    if kind < 0.75:
        return chance.choice((None, True, False, [], {}))
    if kind < 0.9:
        return [odd_value(chance, depth + 1) for _ in range(chance.choice((1, 2, 30)))]
    return {
        str(chance.choice(ODD_TEXTS)): odd_value(chance, depth + 1)
        for _ in range(chance.choice((1, 3)))
    }


def other_body(chance: random.Random, _: World, request: Request) -> None:
    deep = chance.choice((100, 5000, 100_000))
    bodies = (
        b"",
        b"{}",
        b"[]",
        b"null",
        b"0",
        b'"x"',
        b"NaN",
        b"{",
        b'{"a":1,}',
        b"[" * deep,
        b'{"a":' * deep,
        b"[" * deep + b"]" * deep,
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
        b"\xff",
        b'{"name":"\xff"}',
        b'{"name":"a","name":"b"}',
        b'{"name":"\\ud800"}',
        b'{"name":"\\u0000"}',
        b'{"filesize":' + b"9" * chance.choice((30, 5000)) + b"}",
        b'{"filesize":1e400}',
        b'{"filesize":-0.0}',
        b'{"completedParts":[' + b'{"partNumber":1,"token":"a"},' * 3000 + b"{}]}",
        b'{"' + b"a" * 60_000 + b'":1}',
        b'{"name":"' + b"a" * 60_000 + b'"}',
        b"a=b&c=d",
        b"--b\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\nc\r\n--b--",
        b"\x1f\x8b\x08\0",
        chance.randbytes(chance.choice((1, 50, 3000))),
        # Longer than a body is read.
        b'{"name":"' + b"a" * (4 << 20) + b'"}' if chance.random() < 0.02 else b"x",
    )
    request.body = chance.choice(bodies)


def changed_body(chance: random.Random, _: World, request: Request) -> None:
    if not request.body:
        return
    body = bytearray(request.body)
    for _ in range(chance.choice((1, 3))):
        body[chance.randrange(len(body))] = chance.randrange(256)
    request.body = bytes(body)


def cut_body(chance: random.Random, _: World, request: Request) -> None:
    if request.body:
        request.body = request.body[: chance.randrange(len(request.body))]


def in_chunks(_: random.Random, __: World, request: Request) -> None:
    request.is_chunked = True


# ── the framing: afterwards nobody knows where the request ends ──
def wrong_length(chance: random.Random, _: World, request: Request) -> None:
    size = len(request.body)
    lengths = (size + 1, size + 1000, size // 2, 10**18, 10**30)
    words = (b"9" * 5000, b"-1", b"+5", b"0x5", b"5, 5", b"", b" ", b"a", b"1.0", b"\xff", b"00")
    length = chance.choice((b"%d" % chance.choice(lengths), chance.choice(words)))
    request.tells_length, request.is_sound = False, False
    request.headers.append((b"Content-Length", length))
    # Rarely: each costs the time that a registry waits for a rest.
    request.waits = chance.random() < 0.002


def no_length(_: random.Random, __: World, request: Request) -> None:
    request.tells_length = False


def two_lengths(chance: random.Random, _: World, request: Request) -> None:
    request.headers.append((b"Content-Length", b"%d" % (len(request.body) + chance.choice((0, 1)))))
    request.is_sound = False


def length_and_chunks(_: random.Random, __: World, request: Request) -> None:
    request.is_chunked, request.is_sound = True, False
    request.headers.append((b"Content-Length", b"%d" % len(request.body)))


def odd_transfer(chance: random.Random, _: World, request: Request) -> None:
    codings = (b"gzip, chunked", b"identity", b"chunked, chunked", b"x", b"", b"chunked;a=b")
    request.headers.append((b"Transfer-Encoding", chance.choice(codings)))
    request.is_sound = False


def odd_chunks(chance: random.Random, _: World, request: Request) -> None:
    good = chunked(request.body)
    forms = (
        b"zz\r\nabc\r\n0\r\n\r\n",
        good[:-5],
        b"-1\r\n\r\n",
        b"fffffffffffffffff\r\na\r\n0\r\n\r\n",
    )
    more = (b"5;a=b\r\nabcde\r\n0\r\n\r\n", b"3\r\nabcde\r\n0\r\n\r\n", good[:-2] + b"X: y\r\n\r\n")
    request.headers.append((b"Transfer-Encoding", b"chunked"))
    request.body = chance.choice(forms + more)
    request.tells_length, request.is_sound = False, False


def odd_version(chance: random.Random, _: World, request: Request) -> None:
    request.version = chance.choice(
        (b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9.9", b"XTTP/1.1")
    )
    request.is_sound = False


def odd_header_name(chance: random.Random, _: World, request: Request) -> None:
    names = (b"X Y", b"", b"X\0", b"X_Y", b"Content_Length", b"\xff", b"X:", b" Folded", b"X\r")
    value = chance.choice((b"a", b"a\0b", b"a\r\n b", b"\xff"))
    request.headers.append((chance.choice(names), value))
    request.is_sound = False


def no_colon(_: random.Random, world: World, request: Request) -> None:
    packed = request.pack()
    line = b"Authorization Bearer " + world.mara.token.encode()
    request.raw = packed.replace(b"\r\n", b"\r\n" + line + b"\r\n", 1)
    request.is_sound = False


def odd_method(chance: random.Random, _: World, request: Request) -> None:
    request.method = chance.choice((b"get", b"G", b"G" * 100, b"G\0T", b"\xff\xfe\xfd", b"G{T"))
    request.is_sound = False


def odd_target(chance: random.Random, _: World, request: Request) -> None:
    targets = (b"*", b"v1/images", b"127.0.0.1:80", b"", b"/a b", b"//", b"http://", b"\\v1\\x")
    request.target = chance.choice((*targets, b"/" + b"a" * 9000, b"/v1/images/\0", b"/v1/\r"))
    request.is_sound = False


def noise(chance: random.Random, _: World, request: Request) -> None:
    packed = request.pack()
    forms = (
        chance.randbytes(200) + b"\r\n\r\n",
        packed[: chance.randrange(1, len(packed))],
        packed.replace(b"\r\n", b"\n"),
        b"\r\n\r\n" + packed,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + chance.randbytes(64) + b"\r\n\r\n",
        packed + packed,
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"b" * 20_000 + b"\r\n\r\n",
    )
    request.raw, request.is_sound = chance.choice(forms), False


MUTATIONS: tuple[Mutate, ...] = (
    odd_path_part,
    odd_path_part,
    bytes_in_path,
    encoded_path,
    other_case,
    slashes,
    longer_path,
    shorter_path,
    absolute_target,
    odd_query,
    odd_query,
    many_keys,
    other_method,
    odd_authorization,
    odd_authorization,
    odd_host,
    no_host,
    odd_header,
    odd_header,
    twice_the_same_header,
    many_headers,
    expects,
    odd_json,
    odd_json,
    odd_json,
    odd_json,
    other_body,
    other_body,
    changed_body,
    cut_body,
    in_chunks,
    wrong_length,
    no_length,
    two_lengths,
    length_and_chunks,
    odd_transfer,
    odd_chunks,
    odd_version,
    odd_header_name,
    no_colon,
    odd_method,
    odd_target,
    noise,
)
