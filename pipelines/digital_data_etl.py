"""Extract, transform, load: from links to raw documents in MongoDB."""

from zenml import pipeline

from steps.etl import crawl_links, get_or_create_user


@pipeline
def digital_data_etl(
    user_full_name: str,
    links: list[str],
    exclude: list[str] | None = None,
    limit: int = 100,
    since: str | None = None,
    min_success_rate: float = 0.5,
) -> str:
    """Crawl an author's links; returns the last step's name, for pipelines that go on from here."""
    user = get_or_create_user(user_full_name)
    last_step = crawl_links(
        user=user, links=links, exclude=exclude or [], limit=limit, since=since, min_success_rate=min_success_rate
    )
    return str(last_step.invocation_id)
