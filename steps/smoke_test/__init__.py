"""Does everything that the pipelines need work?"""

from steps.smoke_test.check_services import check_services

__all__ = ["check_services"]
