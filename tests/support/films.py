"""Small video files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import fiftyone as fo

#: Frames of a shot, their size, and frames a second.
SHOT, SIZE, RATE = 4, (96, 72), 5


def film(path: Path, pictures: Sequence[Path]) -> fo.Sample:
    """Writes a .webm video of shots, each a picture that drifts, that browsers play.

    Its metadata spare FiftyOne and its App the use of ffprobe.
    """
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"VP80"), RATE, SIZE)
    for picture in pictures:
        image = cv2.resize(cv2.imread(str(picture)), (SIZE[0] + SHOT, SIZE[1]))
        for step in range(SHOT):
            writer.write(image[:, step : step + SIZE[0]])
    writer.release()
    n = SHOT * len(pictures)
    told = fo.VideoMetadata(
        total_frame_count=n, frame_rate=RATE, duration=n / RATE, frame_width=SIZE[0], frame_height=SIZE[1]
    )
    return fo.Sample(str(path), metadata=told)
