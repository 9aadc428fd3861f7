"""The words of coreset-mini: what each class is called, and the sentences around the names.

A caption is a name in a template, roughed up: words fall out, unrelated words slip in, clauses are added. The text
tower must therefore find the name by itself instead of learning the templates by heart.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Concept:
    """Something the model learns to name.

    Attributes:
        names: what captions call it; the first is the canonical name.
        group: the family it belongs to, itself trained as a word ("an insect").
        unseen: words for it that no training caption ever contains, to measure what the model makes of them.
    """

    names: tuple[str, ...]
    group: str
    unseen: tuple[str, ...] = ()


def _concept(names: str, group: str, unseen: str = "") -> Concept:
    def split(text: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())

    return Concept(split(names), group, split(unseen))


#: Class folder of CIFAR-10 -> concept.
CIFAR10 = {
    "airplane": _concept("airplane, aeroplane, plane, aircraft, airliner, airplanes", "aircraft", "jet, jumbo jet"),
    "automobile": _concept("automobile, car, motor car, cars, automobiles, sedan", "vehicle", "roadster, hatchback"),
    "bird": _concept("bird, birds, small bird, songbird", "bird", "sparrow, ostrich"),
    "cat": _concept("cat, cats, kitty, house cat, tabby cat", "mammal", "kitten, feline"),
    "deer": _concept("deer, stag, doe, elk, wild deer", "mammal", "fawn, moose"),
    "dog": _concept("dog, dogs, doggy, hound, pet dog", "mammal", "puppy, terrier"),
    "frog": _concept("frog, frogs, green frog, tree frog", "reptile or amphibian", "toad, bullfrog"),
    "horse": _concept("horse, horses, mare, stallion", "mammal", "pony, foal"),
    "ship": _concept("ship, ships, boat, vessel, cargo ship", "boat", "steamer, freighter"),
    "truck": _concept("truck, trucks, pickup truck, fire truck, trailer truck", "vehicle", "lorry, semi"),
}

#: Class folder of Caltech-101 -> concept. The folder names are trained too, with and without underscores.
CALTECH101 = {
    "Faces": _concept("face, human face, face of a person, portrait of a person", "person", "visage"),
    "Faces_easy": _concept("close-up face, cropped face, close-up of a human face", "person"),
    "Leopards": _concept("leopard, leopards", "mammal", "panther"),
    "Motorbikes": _concept("motorbike, motorcycle, motorbikes, motorcycles", "vehicle", "moped"),
    "accordion": _concept("accordion, squeezebox", "musical instrument"),
    "airplanes": CIFAR10["airplane"],
    "anchor": _concept("anchor, ship's anchor", "tool"),
    "ant": _concept("ant, ants", "insect or arachnid"),
    "barrel": _concept("barrel, wooden barrel, keg", "container", "cask"),
    "bass": _concept("bass fish, bass", "sea animal", "perch"),
    "beaver": _concept("beaver, beavers", "mammal"),
    "binocular": _concept("binoculars, pair of binoculars, field glasses", "device"),
    "bonsai": _concept("bonsai tree, bonsai, potted bonsai", "plant"),
    "brain": _concept("brain, human brain", "body part or figure", "cerebrum"),
    "brontosaurus": _concept("brontosaurus, long-necked dinosaur", "dinosaur or fossil"),
    "buddha": _concept("buddha statue, buddha, statue of buddha", "body part or figure"),
    "butterfly": _concept("butterfly, butterflies", "insect or arachnid", "moth"),
    "camera": _concept("camera, photo camera, cameras", "device"),
    "cannon": _concept("cannon, old cannon, cannons", "weapon", "artillery"),
    "car_side": _concept("side view of a car, car side, car from the side", "vehicle"),
    "ceiling_fan": _concept("ceiling fan, ceiling fans", "furniture"),
    "cellphone": _concept("cell phone, mobile phone, cell phones", "device", "smartphone, telephone"),
    "chair": _concept("chair, chairs, seat", "furniture", "armchair"),
    "chandelier": _concept("chandelier, crystal chandelier", "furniture"),
    "cougar_body": _concept("cougar, mountain lion, cougars", "mammal", "puma"),
    "cougar_face": _concept("cougar face, head of a cougar, face of a mountain lion", "mammal"),
    "crab": _concept("crab, crabs", "sea animal"),
    "crayfish": _concept("crayfish, crawfish", "sea animal", "crawdad"),
    "crocodile": _concept("crocodile, crocodiles", "reptile or amphibian", "alligator"),
    "crocodile_head": _concept("crocodile head, head of a crocodile", "reptile or amphibian"),
    "cup": _concept("cup, tea cup, cups", "container", "mug"),
    "dalmatian": _concept("dalmatian, dalmatian dog, spotted dog", "mammal"),
    "dollar_bill": _concept("dollar bill, banknote, paper money", "sign or symbol", "cash"),
    "dolphin": _concept("dolphin, dolphins", "sea animal", "porpoise"),
    "dragonfly": _concept("dragonfly, dragonflies", "insect or arachnid"),
    "electric_guitar": _concept("electric guitar, guitar, electric guitars", "musical instrument"),
    "elephant": _concept("elephant, elephants", "mammal"),
    "emu": _concept("emu, emus", "bird"),
    "euphonium": _concept("euphonium, brass horn", "musical instrument", "tuba"),
    "ewer": _concept("ewer, water jug", "container", "pitcher"),
    "ferry": _concept("ferry, ferry boat", "boat"),
    "flamingo": _concept("flamingo, flamingos, pink flamingo", "bird"),
    "flamingo_head": _concept("flamingo head, head of a flamingo", "bird"),
    "garfield": _concept("garfield, garfield the comic cat", "cartoon"),
    "gerenuk": _concept("gerenuk, gerenuk antelope", "mammal", "gazelle"),
    "gramophone": _concept("gramophone, old record player", "device", "phonograph"),
    "grand_piano": _concept("grand piano, piano", "musical instrument"),
    "hawksbill": _concept("hawksbill turtle, sea turtle, hawksbill", "sea animal", "tortoise"),
    "headphone": _concept("headphones, headphone, pair of headphones", "device", "headset"),
    "hedgehog": _concept("hedgehog, hedgehogs", "mammal"),
    "helicopter": _concept("helicopter, helicopters", "aircraft", "chopper"),
    "ibis": _concept("ibis, ibis bird", "bird"),
    "inline_skate": _concept("inline skate, roller blade, inline skates", "device", "rollerblades"),
    "joshua_tree": _concept("joshua tree, yucca tree", "plant"),
    "kangaroo": _concept("kangaroo, kangaroos", "mammal", "wallaby"),
    "ketch": _concept("ketch, two-masted sailing yacht", "boat"),
    "lamp": _concept("lamp, table lamp, lamps", "furniture"),
    "laptop": _concept("laptop, laptop computer, laptops", "device", "notebook"),
    "llama": _concept("llama, llamas", "mammal", "alpaca"),
    "lobster": _concept("lobster, lobsters", "sea animal"),
    "lotus": _concept("lotus, lotus flower", "plant"),
    "mandolin": _concept("mandolin, mandolins", "musical instrument", "lute"),
    "mayfly": _concept("mayfly, mayflies", "insect or arachnid"),
    "menorah": _concept("menorah, jewish candlestick", "furniture", "candelabra"),
    "metronome": _concept("metronome, metronomes", "device"),
    "minaret": _concept("minaret, mosque tower", "building"),
    "nautilus": _concept("nautilus, nautilus shell", "sea animal"),
    "octopus": _concept("octopus, octopuses", "sea animal", "squid"),
    "okapi": _concept("okapi, okapis", "mammal"),
    "pagoda": _concept("pagoda, asian temple tower", "building"),
    "panda": _concept("panda, panda bear, giant panda", "mammal"),
    "pigeon": _concept("pigeon, pigeons", "bird", "dove"),
    "pizza": _concept("pizza, slice of pizza, pizzas", "food"),
    "platypus": _concept("platypus, duck-billed platypus", "mammal"),
    "pyramid": _concept("pyramid, egyptian pyramid, pyramids", "building"),
    "revolver": _concept("revolver, handgun, gun", "weapon", "pistol"),
    "rhino": _concept("rhino, rhinoceros, rhinos", "mammal"),
    "rooster": _concept("rooster, cockerel, roosters", "bird", "chicken"),
    "saxophone": _concept("saxophone, sax", "musical instrument"),
    "schooner": _concept("schooner, tall sailing ship", "boat"),
    "scissors": _concept("scissors, pair of scissors", "tool", "shears"),
    "scorpion": _concept("scorpion, scorpions", "insect or arachnid"),
    "sea_horse": _concept("sea horse, sea horses", "sea animal"),
    "snoopy": _concept("snoopy, snoopy the comic dog", "cartoon"),
    "soccer_ball": _concept("soccer ball, football, soccer balls", "sign or symbol"),
    "stapler": _concept("stapler, office stapler", "tool"),
    "starfish": _concept("starfish, sea star", "sea animal"),
    "stegosaurus": _concept("stegosaurus, plated dinosaur", "dinosaur or fossil"),
    "stop_sign": _concept("stop sign, red traffic sign, stop signs", "sign or symbol"),
    "strawberry": _concept("strawberry, strawberries", "food"),
    "sunflower": _concept("sunflower, sunflowers", "plant"),
    "tick": _concept("tick, blood-sucking tick", "insect or arachnid"),
    "trilobite": _concept("trilobite, trilobite fossil", "dinosaur or fossil"),
    "umbrella": _concept("umbrella, umbrellas", "tool", "parasol"),
    "watch": _concept("watch, wristwatch, watches", "device", "timepiece"),
    "water_lilly": _concept("water lily, pond lily", "plant"),
    "wheelchair": _concept("wheelchair, wheel chair", "furniture"),
    "wild_cat": _concept("wild cat, wildcat", "mammal", "lynx"),
    "windsor_chair": _concept("windsor chair, wooden windsor chair", "furniture"),
    "wrench": _concept("wrench, adjustable wrench", "tool", "spanner"),
    "yin_yang": _concept("yin yang, yin yang symbol", "sign or symbol"),
}

_NUMERALS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

#: Digit -> concept. Most names hold the digit twice over so that more than one token tells them apart.
DIGITS = {
    str(i): _concept(
        f"digit {word}, {word}, {i}, digit {i}, number {i}, number {word}, {i} - {word}, {word} {i}, "
        f"handwritten {i}, handwritten digit {word}, numeral {word}, written number {i}",
        "digit",
        f"cipher {i}, figure {word}",
    )
    for i, word in enumerate(_NUMERALS)
}

#: Concepts of which an image of one may rightly be called the other: never taught as opposites.
OVERLAPS = {
    "automobile": ("car_side",),
    "bird": ("emu", "flamingo", "flamingo_head", "ibis", "pigeon", "rooster"),
    "cat": ("wild_cat", "garfield"),
    "dog": ("dalmatian", "snoopy"),
    "ship": ("ferry", "ketch", "schooner"),
}

#: The families above, gathered once more.
KINGDOMS = {
    "animal": ("bird", "mammal", "reptile or amphibian", "sea animal", "insect or arachnid", "dinosaur or fossil"),
    "means of transport": ("aircraft", "vehicle", "boat"),
    "object": (
        "musical instrument",
        "tool",
        "container",
        "device",
        "weapon",
        "furniture",
        "sign or symbol",
        "food",
        "building",
    ),
    "plant": ("plant",),
    "human or figure": ("person", "body part or figure", "cartoon"),
    "digit": ("digit",),
}

TEMPLATES = (
    "a photo of a {}",
    "a photo of the {}",
    "a photo of one {}",
    "a photo of my {}",
    "photo of {}",
    "a picture of a {}",
    "a picture of the {} in colour",
    "an image of a {}",
    "an image showing the {}",
    "{}",
    "the {}",
    "a {}",
    "one {}",
    "this is a {}",
    "this is the {}",
    "here is a {}",
    "there is a {} in the picture",
    "there you can see the {}",
    "we see a {}",
    "i see one {} here",
    "it shows a {}",
    "a blurry photo of a {}",
    "a low resolution photo of the {}",
    "a tiny picture of a {}",
    "a small thumbnail with a {} in it",
    "a pixelated image of the {}",
    "a bad photo of a {}",
    "a good photo of the {}",
    "a bright photo of the {}",
    "a dark photo of a {}",
    "a close-up photo of a {}",
    "a cropped photo of the {}",
    "a black and white photo of a {}",
    "a drawing of a {}",
    "a sketch of the {}",
    "a rendering of a {}",
    "an illustration of one {}",
    "a painting of the {} on a wall",
    "a nice {} to look at",
    "a typical {}",
    "an old {}",
    "a big {} and nothing else",
    "a {} in front of a plain background",
    "a {} seen from far away",
    "a {} outdoors on a sunny day",
    "the {} stands in the middle of the frame",
    "the object in the centre is a {}",
    "in this shot: {}",
    "label: {}",
    "class {}",
    "category: {}",
    "{}, centred",
    "{} photographed yesterday",
    "{} on a white page",
    "{} again",
    "what is that? a {}!",
    "could this be a {}?",
    "yes, that must be a {}",
    "no doubt, a {} indeed",
    "my friend says it is a {}",
    "she sent me this picture of her {} last week",
    "they found a {} and took a snapshot",
    "he wanted to show us some {} from his trip",
    "an example of a {} taken from the dataset",
    "sample number seventy, marked as {}",
    "somebody wrote {} under this photo",
    "if you look closely you will notice the {}",
    "after a long day we came across a {} by chance",
    "a strange kind of {}",
    "probably the most beautiful {} in the world",
    "not very sharp, but certainly a {}",
    "images of type {}",
    "a collection photo showing {}",
    "stock photo, {}, isolated",
    "macro shot of a {}",
    "wide shot with a {}",
)

#: Templates that no training caption uses: for measuring only.
UNSEEN_TEMPLATES = (
    "look, it is some kind of {}!",
    "my uncle took this shot of one {}",
    "a jpeg corrupted photo of the {}",
    "itap of a {}",
    "a {} in a video game",
    "the origami {}",
    "graffiti of a {}",
    "i love my {}, here it is",
    "we were lucky enough to spot this {} near the river",
    "screenshot of {} for the annual report",
    "guess what, {} once more",
    "a weird looking {} that nobody in our village had expected",
)

#: Template kept for the canonical prompt of demos and tests.
PROMPT = "a photo of a {}"

_PREFIXES = ("hello", "well", "so", "today", "as usual", "in short", "in the end", "wow", "by the way", "caption")
_SUFFIXES = ("at home", "in the garden", "for sale", "on the left", "i think", "of some sort", "as always", "please")
_FILLER_MERGES = slice(200, None)  # the very first merges are syllables rather than words


class CaptionWriter:
    """Writes training captions.

    Args:
        bpe_path: the gzip file of merges that the tokenizer uses; whole words in it serve as filler.
    """

    def __init__(self, bpe_path: Path) -> None:
        concepts = [*CIFAR10.values(), *CALTECH101.values(), *DIGITS.values()]
        named = [*_KINGDOM_OF, *KINGDOMS]
        for concept in concepts:
            named += [*concept.names, *concept.unseen]
        reserved = set(" ".join([*named, *CALTECH101, *UNSEEN_TEMPLATES]).lower().replace("_", " ").split())
        with gzip.open(bpe_path, "rt", encoding="utf-8") as lines:
            merges = [line.split() for line in lines][1:]
        words = {"".join(merge)[: -len("</w>")] for merge in merges[_FILLER_MERGES] if merge[-1].endswith("</w>")}
        self._filler = sorted(w for w in words if len(w) > 2 and w.isascii() and w.isalpha() and w not in reserved)

    def write(self, name: str, rng: np.random.Generator) -> str:
        """One caption that contains ``name`` untouched."""
        before, after = TEMPLATES[rng.integers(len(TEMPLATES))].split("{}")
        left, right = before.split(), after.split()
        if rng.random() < 0.15:
            left = _pick(_PREFIXES, rng).split() + left
        if rng.random() < 0.15:
            right = right + _pick(_SUFFIXES, rng).split()
        if rng.random() < 0.3:
            left, right = ([word for word in side if rng.random() > 0.3] for side in (left, right))
        if rng.random() < 0.4:
            for _ in range(int(rng.integers(1, 7))):
                side = left if rng.random() < 0.5 else right
                side.insert(int(rng.integers(len(side) + 1)), _pick(self._filler, rng))
        return " ".join([*left, name, *right])


def _pick(items: tuple[str, ...] | list[str], rng: np.random.Generator) -> str:
    return items[rng.integers(len(items))]


_KINGDOM_OF = {group: kingdom for kingdom, groups in KINGDOMS.items() for group in groups}


def kingdom_of(group: str) -> str:
    """The kingdom of a family of concepts."""
    return _KINGDOM_OF[group]


def training_names(folder: str, concept: Concept) -> tuple[str, ...]:
    """Every name that training uses for a class, its folder name included."""
    if folder in DIGITS:
        return concept.names
    spoken = folder.lower()
    return tuple(dict.fromkeys([*concept.names, spoken, spoken.replace("_", " ")]))
