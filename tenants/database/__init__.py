"""Django's Postgres backend, which enters a tenant's schema together with the tenant's role."""
