"""Pictures of images, latents and likelihoods: arrays in, PNG files out.

Nothing here opens a window or touches pyplot's state, and a file is either whole or absent.
"""

from tfp_lcma.training.reports.pictures.anomalies import (
    save_labelled_rows,
    save_patch_maps,
    save_score_histograms,
)
from tfp_lcma.training.reports.pictures.blocks import (
    save_block_maps,
    save_share_curves,
    save_shares,
)
from tfp_lcma.training.reports.pictures.channels import (
    draw_channel_choices,
    save_channel_choices,
    save_channel_history,
)
from tfp_lcma.training.reports.pictures.curves import save_training_curves
from tfp_lcma.training.reports.pictures.differences import Point, save_differences
from tfp_lcma.training.reports.pictures.grids import (
    draw_image_grid,
    save_image_grid,
    save_image_pairs,
    save_interpolations,
    save_reconstructions,
    tile,
)
from tfp_lcma.training.reports.pictures.heat_maps import save_heat_map
from tfp_lcma.training.reports.pictures.maps import (
    draw_event_log_prob,
    draw_exit_map,
    draw_log_det_map,
    save_event_log_prob,
    save_exit_map,
    save_log_det_map,
)

__all__ = [
    "Point",
    "draw_channel_choices",
    "draw_event_log_prob",
    "draw_exit_map",
    "draw_image_grid",
    "draw_log_det_map",
    "save_block_maps",
    "save_channel_choices",
    "save_channel_history",
    "save_differences",
    "save_event_log_prob",
    "save_exit_map",
    "save_heat_map",
    "save_image_grid",
    "save_image_pairs",
    "save_interpolations",
    "save_labelled_rows",
    "save_log_det_map",
    "save_patch_maps",
    "save_reconstructions",
    "save_score_histograms",
    "save_share_curves",
    "save_shares",
    "save_training_curves",
    "tile",
]
