"""Postgres and Valkey as processes of this project, for machines that have neither."""
