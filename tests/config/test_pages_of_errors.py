"""What a person or a probe gets where there is no page, and where plain HTTP is refused."""

import pytest
from django.test import Client, RequestFactory
from django.views.defaults import server_error
from pytest_django import Settings

from tenants.models import Tenant
from tests.staff import visitor


def test_an_address_without_a_page_says_so_in_words(tenant: Tenant) -> None:
    response = visitor(tenant).get("/no/such/page")
    assert response.status_code == 404
    assert "There is no page at this address." in response.content.decode()


def test_an_address_below_the_api_answers_as_the_api_does(tenant: Tenant) -> None:
    response = visitor(tenant).get("/api/v1/no-such-thing")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.django_db
def test_probes_are_not_sent_to_https(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    probe = Client(headers={"Host": "localhost"})
    assert probe.get("/healthz").status_code == 200
    assert probe.get("/metrics").status_code == 200
    assert probe.get("/anything").status_code == 301


def test_a_fault_of_ours_has_a_page_that_needs_nothing(rf: RequestFactory) -> None:
    response = server_error(rf.get("/"))
    assert response.status_code == 500
    assert "It broke on our side and has been noted." in response.content.decode()
