"""Where the bytes are. Names and meanings of sregistry's MINIO_* settings are kept."""

from shub.settings import env

# No store signs for longer than a week.
LONGEST_LIFE_MINUTES = 7 * 24 * 60

#: HOST:PORT as this server reaches the store.
MINIO_SERVER = env.text("MINIO_SERVER", "127.0.0.1:9000")

#: HOST:PORT as users' clients reach it; part of each signature. A wrong value here is the commonest
#: reason why a first push fails.
MINIO_EXTERNAL_SERVER = env.text("MINIO_EXTERNAL_SERVER", MINIO_SERVER)

#: For sites with several networks: pairs of the host that the client asked us by and the store's
#: HOST:PORT in that network, as `registry.lab=store.lab:9000,10.0.0.5=10.0.0.6:9000`.
MINIO_EXTERNAL_SERVERS = env.pairs("MINIO_EXTERNAL_SERVERS")

#: Whether this server speaks TLS to the store.
MINIO_SSL = env.boolean("MINIO_SSL", False)
#: Whether users' clients do.
MINIO_EXTERNAL_SSL = env.boolean("MINIO_EXTERNAL_SSL", MINIO_SSL)

#: A PEM file of the authority that signed the store's certificate, where it is a private one.
MINIO_CA_FILE = env.text("MINIO_CA_FILE")

#: The bucket.
MINIO_BUCKET = env.text("MINIO_BUCKET", "sregistry")
#: The region that signatures name.
MINIO_REGION = env.text("MINIO_REGION", "us-east-1")
#: The store's access key; the first that is set counts.
MINIO_ACCESS_KEY = env.secret("MINIO_ACCESS_KEY", "MINIO_ROOT_USER")
#: The store's secret key; the first that is set counts.
MINIO_SECRET_KEY = env.secret("MINIO_SECRET_KEY", "MINIO_ROOT_PASSWORD")

#: The keys of a user of the store who may only put objects under `blobs/` of the bucket. The
#: addresses of parts are signed with them: MinIO and JuiceFS obey a copy source that a client adds
#: to such an address, as far as the signing key may read. `manage.py prepare --upload-user` makes
#: the user. Both or neither; without them the main keys sign, which is safe only where the store
#: refuses `x-amz-*` headers that are not signed (AWS, SeaweedFS).
MINIO_UPLOAD_ACCESS_KEY = env.secret("MINIO_UPLOAD_ACCESS_KEY")
MINIO_UPLOAD_SECRET_KEY = env.secret("MINIO_UPLOAD_SECRET_KEY")

#: The life of an address that bytes are sent to: it is looked at when a part begins to be sent.
MINIO_SIGNED_URL_EXPIRE_MINUTES = env.integer(
    "MINIO_SIGNED_URL_EXPIRE_MINUTES", 60, minimum=1, maximum=LONGEST_LIFE_MINUTES
)

# Hours, since the last part of a slow pull starts late, and current clients write the error that
# they then get into the image.
#: The life of an address that bytes are fetched from; longer than the slowest pull, at most a week
#: (10080).
MINIO_DOWNLOAD_URL_EXPIRE_MINUTES = env.integer(
    "MINIO_DOWNLOAD_URL_EXPIRE_MINUTES", 720, minimum=1, maximum=LONGEST_LIFE_MINUTES
)

#: True where whatever is at the store's address drops an `Authorization` header before the store
#: sees it: then logged-in clients of every age are sent there ([who is](../explanation/pulls.md)).
MINIO_EXTERNAL_STRIPS_AUTHORIZATION = env.boolean("MINIO_EXTERNAL_STRIPS_AUTHORIZATION", False)

#: True where users cannot reach the store: every image that is pulled passes through this server.
STREAM_ALWAYS = env.boolean("STREAM_ALWAYS", False)

#: Behind nginx: the internal location that passes on to the store, as `/-/store/`; nginx then
#: carries what a thread of this server would carry else.
NGINX_STORE_LOCATION = env.text("NGINX_STORE_LOCATION")

#: How many images one server process carries at once for clients that cannot be sent to the store;
#: the next are told to try again.
TRANSFER_THREADS = env.integer("TRANSFER_THREADS", 2, minimum=1)

#: False: clients send each image as one body (at most 5 GiB).
MINIO_MULTIPART_UPLOAD = env.boolean("MINIO_MULTIPART_UPLOAD", True)

#: False for stores that refuse an address which signs the payload's hash (SeaweedFS). Not on MinIO
#: and JuiceFS: Singularity 3.5.3 to 3.6.3 send the hash whatever they are told, and these then
#: refuse it.
MINIO_SIGN_CONTENT_SHA256 = env.boolean("MINIO_SIGN_CONTENT_SHA256", True)

#: How long this server waits for a connection to the store.
MINIO_CONNECT_TIMEOUT_SECONDS = env.integer("MINIO_CONNECT_TIMEOUT_SECONDS", 5, minimum=1)
#: How long it waits for an answer that costs the store little, while a user waits: after that the
#: user is told 503.
MINIO_ANSWER_TIMEOUT_SECONDS = env.integer("MINIO_ANSWER_TIMEOUT_SECONDS", 10, minimum=1)
#: How long it waits for parts to be joined, and between two pieces of an object.
MINIO_READ_TIMEOUT_SECONDS = env.integer("MINIO_READ_TIMEOUT_SECONDS", 60, minimum=1)

#: How many connections fetch one object when it is read to be verified, or is read again. 1 is
#: fastest where the store is near: ranges cost it more than a stream does. More where one
#: connection alone is slow, as to a store in another place; each holds 8 MiB, for each of
#: `SWEEP_THREADS` and for the one that reads again.
MINIO_READ_CONNECTIONS = env.integer("MINIO_READ_CONNECTIONS", 1, minimum=1, maximum=16)

#: The folder that the store writes to, where it is on this machine: uploads that its disk has no
#: room for are refused before they are sent.
MINIO_FOLDER = env.text("MINIO_FOLDER")

#: The size of a part, at least 5 MiB; it grows with the image, since a store takes at most 10,000.
UPLOAD_PART_BYTES = env.integer(
    "UPLOAD_PART_BYTES", 64 * 1024**2, minimum=5 * 1024**2, maximum=5 * 1024**3
)
