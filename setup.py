"""Finds the packages: pyproject.toml can not say that the repository root is one of them under another name."""

from setuptools import find_packages, setup

folders = find_packages(include=["plugin*", "operators*", "panels*", "demo*"])
setup(packages=["fiftyone_coreset", *(f"fiftyone_coreset.{folder}" for folder in folders)])
