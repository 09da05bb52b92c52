"""The author whose links are crawled."""

from typing import Annotated

from zenml import log_metadata, step

from llm_engineering.bootstrap import build_services
from llm_engineering.domain.documents import Author
from llm_engineering.domain.reports import Metadata


# Not cached: the stores are outside of what ZenML sees, and may have been reset.
@step(enable_cache=False)
def get_or_create_user(user_full_name: str) -> Annotated[Author, "user"]:
    """Find the author of this name in MongoDB, or store a new one."""
    with build_services() as services:
        author = services.documents.get_or_create_author(user_full_name)
    metadata: Metadata = {"id": str(author.id), "first_name": author.first_name, "last_name": author.last_name}
    log_metadata(metadata=metadata, artifact_name="user", infer_artifact=True)
    return author
