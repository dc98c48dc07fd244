"""Folders of recordings: what lies there, what the names and lists beside them tell, and what is wrong."""

from trainer.catalogue.catalogue import Catalogue, read_catalogue
from trainer.catalogue.clip import Clip, Domain
from trainer.catalogue.report import CatalogueReport, MachineReport, report_on

__all__ = ["Catalogue", "CatalogueReport", "Clip", "Domain", "MachineReport", "read_catalogue", "report_on"]
