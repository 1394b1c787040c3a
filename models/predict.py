"""Labels for a cloud that nobody labelled: every point, in the cloud's own order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.checkpoint import load_checkpoint
from models.infer import InferOptions, Predictor
from models.run import Run, RunConfig
from models.systems import build_model
from models.votes import predict_points
from prep.errors import OptionError
from prep.progress import Progress, Silent
from prep.scene import Scene


@dataclass(frozen=True)
class Prediction:
    """What a run says about every point of a scene, in the scene's order.

    Attributes
    ----------
    semantic : int16 (n,)
        Class, −1 only for a point whose coordinates are not finite.
    instance : int32 (n,)
        Instance, −1 where it was too small to keep.
    confidence : float32 (n,)
        Mean probability of the point's class, 0..1.
    seconds : dict of str to float
        Wall time by stage.
    """

    semantic: NDArray[np.int16]
    instance: NDArray[np.int32]
    confidence: NDArray[np.float32]
    seconds: dict[str, float]


def predict_scene(
    run: Path,
    scene: Scene,
    *,
    checkpoint: str = "last",
    options: InferOptions | None = None,
    progress: Progress | None = None,
) -> Prediction:
    """Predict class, instance and confidence of every point of a scene.

    The scene needs no labels and no colours, may lie anywhere and be of any size; neither the
    store nor its cache is needed.

    Parameters
    ----------
    run : Path
        Folder that train wrote.
    scene : Scene
    checkpoint : str
        ``last`` or ``epoch_NNN``.
    options : InferOptions, optional
    progress : Progress, optional

    Raises
    ------
    OptionError
        The folder is no run, or the scene's extent is out of all proportion (its unit is not
        metres, or a stray point lies far off).
    """
    progress = progress or Silent()
    folder = Run(run)
    config = folder.read_config()
    model = build_model(config.model)
    load_checkpoint(folder.checkpoint(checkpoint), model, config_digest=config.digest)
    predictor = Predictor(model, options or InferOptions())
    n = scene.n_points
    prediction = Prediction(
        np.full(n, -1, np.int16),
        np.full(n, -1, np.int32),
        np.zeros(n, np.float32),
        predictor.seconds,
    )
    sound = np.flatnonzero(np.isfinite(scene.xyz).all(axis=1))
    if len(sound) < n:
        progress.message(f"{scene.name}: {n - len(sound)} points are not finite and get no label")
    if not len(sound):
        progress.message(f"{scene.name}: no point to predict")
        return prediction
    xyz = scene.xyz[sound]
    # shifted in float64: single precision keeps a millimetre only near the origin
    coord = (xyz - xyz.min(axis=0)).astype(np.float32)
    color = _colors(scene, config, progress)
    progress.start(f"predict {scene.name}", len(sound), "point")
    try:
        found = predict_points(
            predictor,
            model.geometry_spec,
            coord,
            None if color is None else color[sound],
            name=scene.name,
            recipe=config.recipe,
            n_classes=len(config.class_names),
            instance_points=np.array(config.instance_points),
            cell_points=config.cell_points,
            seed=config.seed,
            progress=progress,
        )
    except OptionError as error:
        raise OptionError(f"{scene.name}: {error}") from error
    finally:
        progress.finish()
    prediction.semantic[sound] = found.semantic
    prediction.instance[sound] = found.instance
    prediction.confidence[sound] = found.confidence
    return prediction


def _colors(scene: Scene, config: RunConfig, progress: Progress) -> NDArray[np.uint8] | None:
    if config.colored and scene.color is None:
        progress.message(
            f"{scene.name}: has no colour, but the model was trained with colour; "
            "expect worse labels"
        )
    if not config.colored and scene.color is not None:
        progress.message(f"{scene.name}: its colours are ignored, the model was trained without")
        return None
    return scene.color
