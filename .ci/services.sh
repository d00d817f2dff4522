# A PostgreSQL and a RabbitMQ on their standard local ports: used if they answer, else installed
# from Debian's packages and started. Sourced by .ci/run.

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

wait_for() {
    for _ in $(seq 150); do answers "$1" && return; sleep 0.2; done
    echo "nothing answers on 127.0.0.1:$1" >&2
    return 1
}

install_package() {
    if ! command -v apt-get >/dev/null; then
        echo "$1 is not running and there is no apt-get to install it with" >&2
        return 1
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >&2 ||
        { apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >&2; }
}

# The browser tests drive Debian's Chromium.
ensure_chromium() { command -v chromium >/dev/null || install_package chromium; }

# One of the clients that are tried at the local Chapa is for Node.js.
ensure_npm() { command -v npm >/dev/null || install_package npm; }

postgres_url() {
    if ! answers 5432; then
        command -v pg_ctlcluster >/dev/null || install_package postgresql >&2
        answers 5432 || pg_ctlcluster --skip-systemctl-redirect "$(ls /etc/postgresql | tail -1)" main start >&2
        wait_for 5432
    fi
    for user in postgres root; do
        local url="postgres://$user@127.0.0.1:5432/postgres"
        if CI_URL="$url" .venv/bin/python -c 'import os, psycopg2; psycopg2.connect(os.environ["CI_URL"])' 2>/dev/null; then
            echo "$url"
            return
        fi
    done
    # A fresh Debian package lets nobody in over TCP without a password: make a login of our own.
    su postgres -c "psql -qc \"create role guzo_ci superuser login password 'guzo_ci'\"" >&2
    echo "postgres://guzo_ci:guzo_ci@127.0.0.1:5432/postgres"
}

rabbitmq_url() {
    if ! answers 5672; then
        command -v rabbitmq-server >/dev/null || install_package rabbitmq-server >&2
        answers 5672 || rabbitmq-server -detached >&2
        wait_for 5672
    fi
    echo "amqp://guest:guest@127.0.0.1:5672//"
}
