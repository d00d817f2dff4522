FROM python:3.11-slim AS runtime
ENV PYTHONUNBUFFERED=1 PYTHONUTF8=1
WORKDIR /guzo
COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes --no-deps --requirement requirements.txt
COPY . .
# A new volume on /run/guzo belongs to whom the folder belongs to.
RUN useradd --system --no-create-home guzo && install --directory --owner guzo /run/guzo
USER guzo

# What the local Chapa needs beyond that; compose.yaml only.
FROM runtime AS local
USER root
RUN pip install --no-cache-dir --require-hashes --no-deps --requirement requirements-local.txt
RUN install --directory --owner guzo /var/lib/chapa
USER guzo
CMD ["python", "-m", "payments.chapa.sandbox"]

# One image for every process of the Procfile; the command chooses which.
FROM runtime AS production
EXPOSE 8000
CMD ["gunicorn", "--config", "python:core.gunicorn", "core.wsgi"]
