"""The rows of the clients' contract, each with the promise that it asks of this server.

A test names the rows that it holds by `@pytest.mark.row("I.2.4")`; `test_rows.py` compares. A row
that no test here holds says why. What the chapters are:

    0.5    how a refusal has to be written to be shown
    0.6    which statuses a client takes for success
    0.8    which kinds of JSON values a client's decoder takes
    A.2    the four objects
    A.13   traps that other servers have fallen into
    H      what the client libraries' own tests assert of a server
    I.1    the routes, each with and without a slash at its end
    I.2    the rules of robustness
    CB.1   what real clients were seen to do beyond all that
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One promise; `uncovered` says why no test here holds it, and is empty where one does."""

    promise: str
    uncovered: str = ""


NO_OCI_DOOR = "there is no OCI door yet"
NO_KEYSTORE = "there is no keystore yet"
CLIENTS_OWN = "happens within the client; nothing of it reaches a server"

ROWS = {
    "0.5.1": Row("a refusal has its status as an integer code, and words"),
    "0.5.2": Row("no refusal is without words"),
    "0.5.3": Row("no refusal is empty, HTML, or of another form"),
    "0.5.4": Row("what the user has to read is never a 404"),
    "0.5.5": Row("clients of 2019 can read a refusal too"),
    "0.5.6": Row("every success stands in the envelope"),
    "0.5.7": Row("who one is is told without an envelope"),
    "0.5.8": Row("no refusal has the status of a success"),
    "0.6.1": Row("a look-up is 200 or 404"),
    "0.6.2": Row("making something, and beginning an upload, is 200 or 201"),
    "0.6.3": Row("going on with an upload and ending it is 200"),
    "0.6.4": Row("deleting is 200"),
    "0.6.5": Row("reading and setting tags is 200, on both doors"),
    "0.6.6": Row("an image as one body is 200"),
    "0.6.7": Row("a presigned address answers a body with 200"),
    "0.6.8": Row("the version decodes"),
    "0.6.9": Row("an image file is 200 or 303"),
    "0.6.10": Row("the way to OCI is 404"),
    "0.8.1": Row("strings are strings or null"),
    "0.8.2": Row("integers are integers, no floats and no strings"),
    "0.8.3": Row("booleans are booleans, no numbers"),
    "0.8.4": Row("times have a zone"),
    "0.8.5": Row("lists are lists of strings"),
    "0.8.6": Row("maps are maps, also when they are empty"),
    "0.8.7": Row("null and what is left out decode, one wrong kind fails the whole answer"),
    "0.8.8": Row("every id has 24 hexadecimal digits"),
    "A.2.1": Row("every field of an entity has its kind"),
    "A.2.2": Row("every field of a collection has its kind"),
    "A.2.3": Row("every field of a container has its kind"),
    "A.2.4": Row("every field of an image has its kind"),
    "A.13.1": Row("an unknown address below the API is a 404, not a page"),
    "A.13.2": Row("no CSRF check, no way to a login page, no redirect for a slash"),
    "A.13.3": Row("an empty map is {}"),
    "A.13.4": Row("a size is an integer"),
    "A.13.5": Row("no time is without a zone or empty"),
    "A.13.6": Row("no 201 on tags, no 204 on delete or on completion"),
    "A.13.7": Row("what a push finds missing on its way is a 404, not a 403"),
    "A.13.8": Row("a hash begins with sha256 and a dot"),
    "A.13.9": Row("the many requests of one push and one pull meet no limit"),
    "A.13.10": Row(
        "a reverse proxy lets large bodies and long addresses through",
        "is a matter of the proxy before a site, which is not started by these tests",
    ),
    "A.13.11": Row("no name with upper case comes to be"),
    "A.13.12": Row("a refused body does not spoil the connection's next request"),
    "H.1": Row("look-ups decode to the same object; 401 and 404 are errors"),
    "H.2": Row("making gives the object"),
    "H.3": Row("tags are set; a refusal has code and message"),
    "H.4": Row("the version switches every feature on"),
    "H.5": Row("ranges put together, in any order and at once, are the image"),
    "H.6": Row("nobody is sent to where his bearer would go along"),
    "H.7": Row("Content-Length and Content-Range are exact"),
    "H.8": Row("the upload of old clients: 200, or 401 and 404"),
    "H.9": Row("an upload as one body, in its three steps, ends with quota and address"),
    "H.10": Row("parts: no size, an unknown image, and the end"),
    "H.11": Row("the hash header is asked for exactly where it is signed"),
    "H.12": Row("every way through a push: what is there, what is missing"),
    "H.13": Row("a PUT is 200, or 404 for what is missing"),
    "H.14": Row("a delete names an arch"),
    "H.15": Row("a search gives four lists"),
    "H.16": Row("the way to OCI is missing in the form that clients read"),
    "H.17": Row("an index is chosen from by arch", NO_OCI_DOOR),
    "H.18": Row("legal and illegal references"),
    "H.19": Row("the base address gets a slash at its end", CLIENTS_OWN),
    "H.20": Row("a user is a bare object with a name and an address"),
    "I.1.1": Row("GET /assets/config/config.prod.json"),
    "I.1.2": Row("GET /auth/tokens"),
    "I.1.3": Row("GET /version"),
    "I.1.4": Row("GET /v1/token-status"),
    "I.1.5": Row("GET /v1/rbac/users/current"),
    "I.1.6": Row("GET /v1/entities/E"),
    "I.1.7": Row("POST /v1/entities"),
    "I.1.8": Row("GET /v1/collections/E/C"),
    "I.1.9": Row("POST /v1/collections"),
    "I.1.10": Row("GET /v1/containers/E/C/N"),
    "I.1.11": Row("POST /v1/containers"),
    "I.1.12": Row("GET /v1/images/REF"),
    "I.1.13": Row("POST /v1/images"),
    "I.1.14": Row("DELETE /v1/images/REF"),
    "I.1.15": Row("GET and POST /v1/tags/ID"),
    "I.1.16": Row("GET and POST /v2/tags/ID"),
    "I.1.17": Row("GET /v1/search"),
    "I.1.18": Row("GET /v1/imagefile/REF"),
    "I.1.19": Row("POST /v1/imagefile/ID"),
    "I.1.20": Row("POST /v2/imagefile/ID"),
    "I.1.21": Row("PUT /v2/imagefile/ID/_complete"),
    "I.1.22": Row("POST and PUT /v2/imagefile/ID/_multipart"),
    "I.1.23": Row("PUT /v2/imagefile/ID/_multipart_complete"),
    "I.1.24": Row("PUT /v2/imagefile/ID/_multipart_abort"),
    "I.1.25": Row("GET /v1/oci-redirect"),
    "I.1.26": Row("POST /pks/add"),
    "I.1.27": Row("GET /pks/lookup"),
    "I.1.28": Row("GET /api/container/C/N:T, and 404 for what else the old client asks"),
    "I.1.29": Row("/v2/… of OCI", NO_OCI_DOOR),
    "I.2.1": Row("no redirect, no CSRF, no HTML; repeated slashes count once"),
    "I.2.2": Row("JSON in and out, whatever the headers say"),
    "I.2.3": Row("the scheme in any case; an empty bearer is nobody"),
    "I.2.4": Row("exact statuses"),
    "I.2.5": Row("ids, sizes, times and maps of exactly one form"),
    "I.2.6": Row("hash and size are the file's; uploaded is true when it is"),
    "I.2.7": Row("short references, empty parts, and hash references"),
    "I.2.8": Row("arch there, empty, missing, and wrongly encoded"),
    "I.2.9": Row("an image file streams, or 303 to an address that opens itself; never 302"),
    "I.2.10": Row("upload addresses open themselves, answer 200 and give an ETag"),
    "I.2.11": Row("refusals that matter are in the envelope and no 404"),
    "I.2.12": Row("long tokens; a service document of objects"),
    "I.2.13": Row("tags only for proven bytes; abandoned uploads expire"),
    "I.2.14": Row("names in any case are one; illegal ones are refused by the server"),
    "I.2.15": Row("key look-ups by padded ids and subkeys, lines of seven fields", NO_KEYSTORE),
    "CB.1.1": Row("a keystore is always published"),
    "CB.1.2": Row("an image without a tag is found by its hash, and latest is missing"),
    "CB.1.3": Row("the service document does not depend on who asks, nor by which name"),
    "CB.1.4": Row("other sites' documents are fetched too", CLIENTS_OWN),
    "CB.1.5": Row("tokens for ORAS are asked for by POST", NO_OCI_DOOR),
    "CB.1.6": Row("manifests of ORAS differ by release", NO_OCI_DOOR),
    "CB.1.7": Row("exit codes", CLIENTS_OWN),
    "CB.1.8": Row("no redirect to the same name and port for one with a token"),
    "CB.1.9": Row("BEARER is streamed to, since it would be sent to any target"),
    "CB.1.10": Row("shub:// addresses lead to public images, by two requests without a token"),
    "CB.1.11": Row("a ready-made remote.yaml for releases up to 3.6 has three fields"),
    "CB.1.12": Row("an unknown token is a 404 for login"),
    "CB.1.13": Row("a delete with a wrongly encoded arch takes that arch's image"),
    "CB.1.14": Row("an image file with a double slash in its address"),
    "CB.1.15": Row("a key is refused by 403 with words"),
    "CB.1.16": Row("a search for keys without a match is 200"),
}
