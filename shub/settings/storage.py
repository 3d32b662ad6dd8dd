"""Where the bytes are. Names and meanings of sregistry's MINIO_* settings are kept."""

from shub.settings import env

# No store signs for longer than a week.
LONGEST_LIFE_MINUTES = 7 * 24 * 60

# HOST:PORT as this server reaches the store.
MINIO_SERVER = env.text("MINIO_SERVER", "127.0.0.1:9000")

# HOST:PORT as the users' clients reach it. It is part of each signature: a wrong value here is the
# commonest reason why a first push fails.
MINIO_EXTERNAL_SERVER = env.text("MINIO_EXTERNAL_SERVER", MINIO_SERVER)

# For sites with several networks: the host that the client asked → the store's HOST:PORT in that
# client's network, as `registry.lab=store.lab:9000,10.0.0.5=10.0.0.6:9000`.
MINIO_EXTERNAL_SERVERS = env.pairs("MINIO_EXTERNAL_SERVERS")

MINIO_SSL = env.boolean("MINIO_SSL", False)
MINIO_EXTERNAL_SSL = env.boolean("MINIO_EXTERNAL_SSL", MINIO_SSL)

# A PEM file of the authority that signed the store's certificate, where that is a private one.
MINIO_CA_FILE = env.text("MINIO_CA_FILE")

MINIO_BUCKET = env.text("MINIO_BUCKET", "sregistry")
MINIO_REGION = env.text("MINIO_REGION", "us-east-1")
MINIO_ACCESS_KEY = env.secret("MINIO_ACCESS_KEY", "MINIO_ROOT_USER")
MINIO_SECRET_KEY = env.secret("MINIO_SECRET_KEY", "MINIO_ROOT_PASSWORD")

# Keys that may only put objects under `blobs/`. The addresses of parts are signed with them, since
# MinIO's front end obeys a copy source which no signature covers, as far as the key may read.
MINIO_UPLOAD_ACCESS_KEY = env.secret("MINIO_UPLOAD_ACCESS_KEY")
MINIO_UPLOAD_SECRET_KEY = env.secret("MINIO_UPLOAD_SECRET_KEY")

# The life of an address that bytes are sent to: it is looked at when a part begins to be sent.
MINIO_SIGNED_URL_EXPIRE_MINUTES = env.integer(
    "MINIO_SIGNED_URL_EXPIRE_MINUTES", 60, minimum=1, maximum=LONGEST_LIFE_MINUTES
)

# The life of an address that bytes are fetched from: hours, since the last part of a slow pull
# starts late, and current clients write the error that they then get into the image.
MINIO_DOWNLOAD_URL_EXPIRE_MINUTES = env.integer(
    "MINIO_DOWNLOAD_URL_EXPIRE_MINUTES", 720, minimum=1, maximum=LONGEST_LIFE_MINUTES
)

# True where whatever is at the store's address drops an Authorization header before the store sees
# it: then clients of every age that are logged in can be sent there.
MINIO_EXTERNAL_STRIPS_AUTHORIZATION = env.boolean("MINIO_EXTERNAL_STRIPS_AUTHORIZATION", False)

# True where users cannot reach the store: every image passes through this server.
STREAM_ALWAYS = env.boolean("STREAM_ALWAYS", False)

# Behind nginx: the internal location that passes on to the store, as `/-/store/`. nginx then
# carries what else a thread of ours would.
NGINX_STORE_LOCATION = env.text("NGINX_STORE_LOCATION")

# How many images one server process carries at once for clients that cannot be sent to the store.
TRANSFER_THREADS = env.integer("TRANSFER_THREADS", 2, minimum=1)

# False: clients are told to send each image as one body.
MINIO_MULTIPART_UPLOAD = env.boolean("MINIO_MULTIPART_UPLOAD", True)

# False for stores that refuse a presigned address which signs x-amz-content-sha256 (SeaweedFS).
# The stored bytes are read back and hashed either way.
MINIO_SIGN_CONTENT_SHA256 = env.boolean("MINIO_SIGN_CONTENT_SHA256", True)

# How long this server itself waits for the store: to connect; for an answer that costs the store
# little, while a user waits; and for one that takes it long (joining parts), or between two pieces
# of an object.
MINIO_CONNECT_TIMEOUT_SECONDS = env.integer("MINIO_CONNECT_TIMEOUT_SECONDS", 5, minimum=1)
MINIO_ANSWER_TIMEOUT_SECONDS = env.integer("MINIO_ANSWER_TIMEOUT_SECONDS", 10, minimum=1)
MINIO_READ_TIMEOUT_SECONDS = env.integer("MINIO_READ_TIMEOUT_SECONDS", 60, minimum=1)

# The folder that the store writes to, where that is on this machine: an upload that its disk has no
# room for is then refused before it is sent.
MINIO_FOLDER = env.text("MINIO_FOLDER")

# The size of a part; it grows with the image, since a store takes at most 10,000 parts.
UPLOAD_PART_BYTES = env.integer(
    "UPLOAD_PART_BYTES", 64 * 1024**2, minimum=5 * 1024**2, maximum=5 * 1024**3
)
