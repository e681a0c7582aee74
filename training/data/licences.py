"""Whose named data sets are and under which licence, for models of them that are passed on."""

LICENCES = {
    "digits": "CC BY 4.0. Optical Recognition of Handwritten Digits (test set), E. Alpaydin and "
    "C. Kaynak, UCI Machine Learning Repository, as scikit-learn ships it.",
    "fashion_mnist": "MIT. Fashion-MNIST, Zalando SE.",
    "emoji": "MIT. Fluent Emoji, Microsoft Corporation, as LobeHub packages them.",
    "photos32": "Ten photographs as scikit-image and scikit-learn ship them. Public domain or CC0: "
    "astronaut, hubble, rocket, chelsea, coffee, retina. No known copyright restrictions: tissue. "
    "CC BY 2.0: china, by danielbuechele, and flower, by vultilion, both on Flickr. No licence "
    "stated: motorcycle, of the Middlebury Stereo Benchmark 2014.",
}
