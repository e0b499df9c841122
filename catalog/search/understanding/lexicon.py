"""The words of shopping that no catalog lists: what a field is for, what means the same, what
negates, and what only leads up to the matter. English, German, French and Spanish."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from catalog.search.understanding.words import stems_of

Words = tuple[str, ...]


def listed(text: str) -> tuple[str, ...]:
    """The entries of a list that is written as one text, with commas."""
    return tuple(entry.strip() for entry in text.split(","))


class Role(StrEnum):
    """What an attribute is for, as far as it changes how it is understood."""

    COLOR = "color"
    SIZE = "size"
    MATERIAL = "material"
    GENDER = "gender"
    BRAND = "brand"
    CATEGORY = "category"
    OTHER = "other"


ROLE_NAMES: Mapping[str, Role] = MappingProxyType(
    {
        stem: role
        for role, words in (
            (Role.COLOR, "color, colors, farbe, couleur, colores"),
            (Role.SIZE, "size, sizes, größe, grösse, taille, talla, schuhgröße, pointure"),
            (Role.MATERIAL, "material, materials, fabric, stoff, matière, matériau, tejido, tela"),
            (Role.GENDER, "gender, sex, geschlecht, genre, sexe, genero, sexo, unisex"),
            (Role.BRAND, "brand, marke, marque, marca, manufacturer, hersteller, make"),
            (Role.CATEGORY, "category, kategorie, catégorie, categoría, department, section"),
        )
        for word in listed(words)
        for stem in stems_of(word)
    }
)
"""What a word in an attribute's name, or beside a value, says of the role."""

CORE_ROLES = frozenset({Role.COLOR, Role.SIZE, Role.MATERIAL, Role.GENDER})
"""Attributes that a value alone is enough to demand: who types "red" wants nothing blue."""

CONCEPTS: tuple[tuple[Role, tuple[str, ...]], ...] = tuple(
    (role, listed(words))
    for role, lines in (
        (
            Role.COLOR,
            (
                "black, schwarz, schwarze, schwarzer, schwarzen, schwarzes, noir, noire, negro,"
                " negra",
                "white, weiß, weiße, weißer, weißen, weißes, weiss, blanc, blanche, blanco, blanca",
                "red, rot, rote, roter, roten, rotes, rouge, rojo, roja",
                "blue, blau, blaue, blauer, blauen, blaues, bleu, bleue, azul",
                "green, grün, grüne, grüner, grünen, grünes, vert, verte, verde",
                "yellow, gelb, gelbe, gelber, gelben, gelbes, jaune, amarillo, amarilla",
                "gray, grau, graue, grauer, grauen, graues, gris",
                "brown, braun, braune, brauner, braunen, braunes, marron, brun, brune, marrón",
                "pink, rosa, rose",
                "purple, violet, lila, violett, morado, morada",
                "orange, naranja",
                "navy, navy blue, dunkelblau, marineblau, bleu marine, azul marino",
                "gold, golden, doré, dorée, dorado, dorada",
                "silver, silber, silbern, argent, argenté, plata, plateado",
                "multicolor, multicolored, mehrfarbig, bunt, multicolore",
            ),
        ),
        (
            Role.SIZE,
            (
                "xs, x small, extra small",
                "s, small",
                "m, medium",
                "l, large",
                "xl, x large, extra large",
                "xxl, 2xl, xx large, extra extra large",
                "xxxl, 3xl",
                "free size, one size, onesize, einheitsgröße, taille unique, talla única",
            ),
        ),
        (
            Role.MATERIAL,
            (
                "cotton, baumwolle, coton, algodón",
                "leather, leder, cuir, cuero, piel",
                "wool, wolle, laine, lana",
                "silk, seide, soie, seda",
                "linen, leinen, lin, lino",
                "wood, wooden, holz, bois, madera",
                "glass, glas, verre, vidrio, cristal",
                "steel, stahl, acier, acero",
                "stainless steel, edelstahl, acier inoxydable, inox, acero inoxidable",
                "plastic, kunststoff, plastik, plastique, plástico",
                "polyester, poliéster",
            ),
        ),
        (
            Role.GENDER,
            (
                "men, man, male, gentlemen, herren, männer, homme, hombre, masculine",
                "women, woman, female, ladies, lady, damen, frauen, femme, mujer, feminine",
                "unisex, both men and women, men and women, women and men, any gender, all genders",
                "boys, boy, jungen, garçon, niño",
                "girls, girl, mädchen, fille, niña",
            ),
        ),
    )
    for words in lines
)
"""Words for one thing, whatever word the catalog has for it."""

ALSO: Mapping[tuple[Role, Words], tuple[Words, ...]] = MappingProxyType(
    {
        (role, stems_of(one)): tuple(stems_of(other) for other in words if other != one)
        for role, words in CONCEPTS
        for one in words
    }
)
"""By role and value: the other ways to say it."""

NEGATIONS: tuple[Words, ...] = tuple(
    stems_of(phrase)
    for phrase in listed(
        "not, no, non, without, except, except for, excluding, other than, anything but, avoid,"
        "isn't, aren't, don't want, minus, never, nicht, kein, keine, keinen, keiner, ohne, außer,"
        "ausser, pas, pas de, sans, sauf, excepté, sin, excepto, ninguno, ninguna"
    )
)

BETWEEN_NEGATION_AND_VALUE = frozenset(
    listed(
        "a, an, the, any, in, of, from, made, color, size, brand, der, die, das, ein, eine, von,"
        "aus, de, la, le, les, en, el, los, las"
    )
)
"""What may stand between "not" and what is not wanted."""

ALTERNATIVES = frozenset(listed("or, oder, ou, o, nor, noch, ni, and, und, et, y, e"))
"""What joins values of one field, such as "black or navy"; a negation holds for all of them."""

EXPLICIT_BRAND = frozenset(listed("by, from, von, de, par, por"))
COMPATIBLE = frozenset(listed("for, fur, pour, para, fits, compatible, with"))
"""Before a brand: what it shall go with, not who made it."""

NEED_A_NAME: frozenset[str] = frozenset(
    listed(
        "yes, no, none, na, other, default, standard, normal, general, new, set, all, regular, not,"
        "specified, true, false, any, basic, original, universal, model, type, style, more, one,"
        "single, s, m, l, small, medium, large, ja, nein, oui, non, si, sonstige, andere, autre,"
        "otro"
    )
)
"""Values that say something only beside the name of their field."""

YES = frozenset(listed("yes, true, ja, oui, si, sí, 1, y"))

PIECES = frozenset(listed("pc, pack, set, count, ct, unit, stuck, pair, roll, sheet"))

FREE = frozenset(listed("free, frei"))

REQUESTS: tuple[Words, ...] = tuple(
    sorted(
        (
            tuple(phrase.split())
            for phrase in listed(
                "show me, i am looking for, i m looking for, looking for, find me, find, i want,"
                "i d like, i would like, i need, can you show me, please show me, please,"
                "search for, searching for, give me, do you have, get me, ich suche, suche,"
                "ich mochte, ich brauche, zeig mir, je cherche, je veux, je voudrais, montre moi,"
                "cherche, busco, quiero, estoy buscando, necesito, muestrame"
            )
        ),
        key=len,
        reverse=True,
    )
)
"""How a request begins before it comes to the matter."""

CONNECTORS = frozenset(
    listed(
        "a, an, the, and, or, but, with, in, of, at, for, by, from, made, that, is, are, it, has,"
        "have, comes, come, on, to, which, size, color, colour, brand, price, priced, cost, costs,"
        "costing, please, options, option, only, und, oder, mit, von, der, die, das, ein, eine,"
        "einen, aus, fur, grose, grosse, farbe, et, ou, avec, en, de, la, le, les, un, une, du,"
        "des, taille, couleur, y, o, con, el, los, las, una, del, por, para, talla, prefer,"
        "preferably, available, suitable"
    )
)
"""What is left over beside a demand that was taken out of the text."""
