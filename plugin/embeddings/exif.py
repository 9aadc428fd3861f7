"""When a picture was taken, by its EXIF data."""

from __future__ import annotations

from datetime import datetime, timezone

from PIL import ExifTags, Image


def taken_at(image: Image.Image) -> datetime | None:
    """When an image was taken, to the fraction of a second where the camera noted one.

    Args:
        image: an opened image

    Returns:
        the camera's clock, which knows no zone, written as UTC; None without EXIF data, or if they are damaged
    """
    try:
        exif = image.getexif()
        if not exif:
            return None
        details = exif.get_ifd(ExifTags.IFD.Exif)
        text = details.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
        fraction = str(details.get(ExifTags.Base.SubsecTimeOriginal) or 0).strip()
        moment = datetime.strptime(f"{text}.{fraction[:6]}", "%Y:%m:%d %H:%M:%S.%f")
    except Exception:  # cameras and editors write whatever they like there
        return None
    return moment.replace(tzinfo=timezone.utc)
