"""The demo's datasets: one a folder."""

from fiftyone_coreset.demo.images import load_folder_dataset


def test_folders_of_one_name_have_datasets_of_their_own(mongod, dataset, image_folder, tmp_path):
    folders = []
    for parent, n in (("x", 3), ("y", 5)):
        (tmp_path / parent).mkdir()
        folders.append(image_folder(n=n, seed=n)[0].parent.rename(tmp_path / parent / "photos"))
    first, second = (load_folder_dataset(folder) for folder in folders)
    assert (first.name, len(first)) == ("coreset-demo-photos", 3)
    assert (second.name, len(second)) == ("coreset-demo-photos-2", 5)
    assert load_folder_dataset(folders[1]).name == second.name
    assert len(load_folder_dataset(folders[0])) == 3
