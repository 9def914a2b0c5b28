"""Write the sample data of this folder: two ticket files and one file of Korean reviews.

    python sample_data/make_sample_data.py [--out FOLDER]

The output depends only on the seed below and on the phrase tables in ``ticket_phrases.py`` and
``korean_phrases.py``: two runs write the same bytes. Standard library only.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import korean_phrases as ko
import ticket_phrases as en

SEED = 20240517

# Rows per label in support_tickets.csv, duplicates and conflicting rows included.
TICKET_COUNTS: dict[str, int] = {
    "shipping_delay": 860,
    "billing_question": 560,
    "password_reset": 390,
    "product_question": 270,
    "refund_request": 180,
    "bug_report": 110,
    "cancel_subscription": 70,
    "account_hacked": 40,
    "data_deletion_request": 26,
    "safety_hazard": 17,
}
# Rows whose core sentence could also stand for a neighbouring label (see SOFT_CORES): how many
# of a rare label's rows, and how many rows of its frequent neighbours.
SOFT_RARE: dict[str, int] = {"account_hacked": 6, "data_deletion_request": 4, "safety_hazard": 3}
SOFT_FREQUENT: dict[str, int] = {
    "account_hacked": 6,
    "data_deletion_request": 4,
    "safety_hazard": 3,
}
RARE = ("account_hacked", "data_deletion_request", "safety_hazard")

# Exact duplicates per label (same text, label and customer; another ticket id).
DUPLICATES: dict[str, int] = {
    "shipping_delay": 14,
    "billing_question": 9,
    "password_reset": 7,
    "product_question": 4,
    "refund_request": 3,
    "bug_report": 2,
    "account_hacked": 1,
}

NEW_COUNTS: dict[str, int] = {
    "shipping_delay": 14,
    "billing_question": 10,
    "password_reset": 8,
    "product_question": 6,
    "refund_request": 5,
    "bug_report": 4,
    "cancel_subscription": 3,
    "account_hacked": 3,
    "data_deletion_request": 3,
    "safety_hazard": 3,
}

KOREAN_COUNTS: dict[str, int] = {"배송": 490, "품질": 290, "가격": 132, "환불": 66, "안전": 22}

# Structure of a ticket: how often each part appears.
P_TERSE = 0.10  # a few words only
P_SECOND_CORE = 0.18  # a second core sentence of the same label
P_SECOND_CORE_RARE = 0.40
P_CONTEXT = 0.55
P_ASIDE = 0.20  # a minor topic of another label
P_ASIDE_RARE = 0.50
P_ASK = 0.60
MAX_WORDS = 60

SLOT = re.compile(r"\{(\w+)(?::(\w+))?\}")
LOOSE_PARTICLE = re.compile(r"(\S)\{:(\w+)\}")
INNERMOST_CHOICE = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True)
class Customer:
    """A made-up customer and the habits that all of their tickets share."""

    ident: str
    name: str
    greeting: str
    goodbye: str
    footer: str
    p_greeting: float
    p_signature: float
    p_lowercase: float
    p_typo: float  # per word
    p_no_punctuation: float
    p_emoji: float
    newlines: bool
    products: tuple[str, ...]


@dataclass(frozen=True)
class Ticket:
    """One row of the labelled file, before it gets its ticket id."""

    customer: str
    text: str
    label: str


def choose_alternatives(phrase: str, rng: random.Random) -> str:
    """Resolve every ``[a|b|c]`` of a phrase, innermost first."""
    while match := INNERMOST_CHOICE.search(phrase):
        pick = rng.choice(match.group(1).split("|"))
        phrase = phrase[: match.start()] + pick + phrase[match.end() :]
    return phrase


def tidy(text: str) -> str:
    """Drop the doubled blanks that empty alternatives leave behind."""
    text = re.sub(r"[ \t]+", " ", text)
    text = re.sub(r"\bon (yesterday|two days ago|last week)", r"\1", text)
    return re.sub(r" ([,.?!])", r"\1", text).strip()


class Deck:
    """Deals the entries of a table in random order; reshuffles when all are dealt."""

    def __init__(self, cards: Sequence[str], rng: random.Random) -> None:
        """Start with a full deck."""
        self._cards = list(cards)
        self._rng = rng
        self._left: list[str] = []

    def draw(self) -> str:
        """Return the next entry."""
        if not self._left:
            self._left = self._rng.sample(self._cards, len(self._cards))
        return self._left.pop()


# ---------------------------------------------------------------------------------------------
# English tickets
# ---------------------------------------------------------------------------------------------


def make_customers(rng: random.Random, count: int, first: int = 1) -> list[Customer]:
    """Invent customers with their own way of writing."""
    customers = []
    for number in range(first, first + count):
        name = rng.choice(en.FIRST_NAMES)
        if rng.random() < 0.45:
            name += " " + rng.choice(en.LAST_NAMES)
        footer = ""
        if rng.random() < 0.18:
            footer = rng.choice(en.FOOTERS).format(
                name=name,
                city=rng.choice(en.SLOTS["city"]),
                digits=rng.randint(100000, 999999),
            )
        polite = rng.random()
        hasty = rng.random()
        customers.append(
            Customer(
                ident=f"C{number:04d}",
                name=name,
                greeting=rng.choice(en.GREETINGS),
                goodbye=rng.choice(en.GOODBYES),
                footer=footer,
                p_greeting=0.85 if polite > 0.5 else 0.1,
                p_signature=0.75 if polite > 0.6 else 0.08,
                p_lowercase=0.9 if hasty > 0.6 else 0.1,
                p_typo=rng.choice((0.0, 0.01, 0.02, 0.05, 0.09)),
                p_no_punctuation=0.7 if hasty > 0.75 else 0.1,
                p_emoji=0.35 if rng.random() < 0.15 else 0.02,
                newlines=rng.random() < 0.12,
                products=tuple(rng.sample(en.PRODUCTS, 3)),
            )
        )
    return customers


def fill_slots(phrase: str, product: str, rng: random.Random) -> str:
    """Fill the ``{slots}`` of an English phrase."""

    def value(match: re.Match[str]) -> str:
        slot = match.group(1)
        if slot == "product":
            return product
        if slot == "order":
            return rng.choice(("#HN-{}", "HN-{}", "hn{}", "#{}")).format(rng.randint(10000, 99999))
        return rng.choice(en.SLOTS[slot])

    return SLOT.sub(value, phrase)


def misspell(word: str, rng: random.Random) -> str:
    """Return the word with one typo."""
    plain = word.lower().strip(".,!?")
    if plain in en.COMMON_TYPOS and rng.random() < 0.6:
        return word.lower().replace(plain, en.COMMON_TYPOS[plain])
    if len(word) < 4 or not word.isalpha():
        return word
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(3)
    if kind == 0:  # swap two letters
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:  # drop one
        return word[:at] + word[at + 1 :]
    return word[:at] + word[at] + word[at:]  # double one


def capitalise(sentence: str) -> str:
    """Upper-case the first letter and leave the rest alone."""
    return sentence[:1].upper() + sentence[1:]


def join_sentences(parts: Sequence[str], customer: Customer, rng: random.Random) -> str:
    """Join sentences the way people do: with full stops, commas, dashes or nothing."""
    text = ""
    sloppy = rng.random() < customer.p_no_punctuation
    for position, part in enumerate(parts):
        if position == 0:
            text = capitalise(part)
            continue
        if sloppy:
            text = text.rstrip(".?!") + " " + part
        elif text[-1] in ".?!":
            text += " " + capitalise(part)
        else:
            connector = rng.choice(en.CONNECTORS)
            starts_sentence = connector.strip() in {".", "!", "..."}
            text += connector + (capitalise(part) if starts_sentence else part)
    if not sloppy and text[-1].isalnum() and rng.random() < 0.7:
        text += rng.choice((".", ".", ".", "!", "..."))
    return text


class TicketWriter:
    """Writes tickets of a label for a customer; never the same text twice."""

    def __init__(self, rng: random.Random) -> None:
        """Draw everything from the given random generator."""
        self._rng = rng
        self._cores = {label: Deck(table, rng) for label, table in en.CORES.items()}
        self._terse = {label: Deck(table, rng) for label, table in en.TERSE.items()}
        self._seen = {text.casefold() for text, _, _ in en.CONFLICTS}

    def write(self, label: str, customer: Customer, soft: str = "") -> str:
        """Return a new ticket text; ``soft`` replaces the label's own core sentence."""
        while True:
            text = self._draft(label, customer, soft)
            if text.casefold() not in self._seen and len(text.split()) <= MAX_WORDS:
                self._seen.add(text.casefold())
                return text

    def _phrase(self, template: str, product: str) -> str:
        chosen = choose_alternatives(template, self._rng)
        return tidy(fill_slots(chosen, product, self._rng))

    def _draft(self, label: str, customer: Customer, soft: str) -> str:
        rng = self._rng
        product = rng.choice(customer.products)
        if not soft and rng.random() < P_TERSE:
            body = self._phrase(self._terse[label].draw(), product)
        else:
            body = join_sentences(self._sentences(label, product, soft), customer, rng)
        if rng.random() < customer.p_lowercase:
            body = body.lower()
        body = " ".join(
            misspell(word, rng) if rng.random() < customer.p_typo else word
            for word in body.split(" ")
        )
        if rng.random() < customer.p_emoji:
            body += " " + rng.choice(en.EMOJI) * rng.choice((1, 1, 1, 2, 3))
        return self._frame(body, customer)

    def _sentences(self, label: str, product: str, soft: str) -> list[str]:
        rng = self._rng
        templates = [soft or self._cores[label].draw()]
        if rng.random() < (P_SECOND_CORE_RARE if label in RARE else P_SECOND_CORE) and not soft:
            templates.append(rng.choice(en.CORES[label]))
        if rng.random() < P_CONTEXT:
            theme = rng.choice(en.CONTEXT_THEMES[label])
            templates.insert(0, rng.choice(en.CONTEXTS[theme]))
        if rng.random() < (P_ASIDE_RARE if label in RARE else P_ASIDE):
            other = rng.choice([topic for topic in en.ASIDES if topic != label])
            templates.append(rng.choice(en.ASIDES[other]))
        if rng.random() < P_ASK:
            pool = en.ASKS["any"] if rng.random() < 0.65 else en.ASKS[label]
            templates.append(rng.choice(pool))
        return [self._phrase(template, product) for template in templates]

    def _frame(self, body: str, customer: Customer) -> str:
        """Add greeting, signature and footer."""
        rng = self._rng
        newline = "\n" if customer.newlines else " "
        text = body
        if rng.random() < customer.p_greeting:
            comma = rng.choice((",", ",", "", "!"))
            text = customer.greeting + comma + newline + text
        if rng.random() < customer.p_signature:
            text += newline + customer.goodbye + rng.choice((",", "", ",")) + newline
            text += customer.name
            if customer.footer:
                text += newline + customer.footer
        return text


def repeat_customers(customers: Sequence[Customer], rng: random.Random) -> list[Customer]:
    """Give every customer one to eight tickets; most have a few."""
    weights = (24, 20, 17, 13, 10, 7, 5, 4)
    slots: list[Customer] = []
    for customer in customers:
        slots += [customer] * rng.choices(range(1, 9), weights)[0]
    return slots


def plan_soft_rows(rng: random.Random) -> list[tuple[str, str]]:
    """Deal the ambiguous core sentences to rare labels and their neighbours (label, sentence)."""
    jobs = []
    for rare in RARE:
        shared = [
            (neighbour, phrase)
            for (owner, neighbour), phrases in en.SOFT_CORES.items()
            if owner == rare
            for phrase in phrases
        ]
        rng.shuffle(shared)
        jobs += [(rare, shared[i % len(shared)][1]) for i in range(SOFT_RARE[rare])]
        jobs += [shared[i % len(shared)] for i in range(SOFT_FREQUENT[rare])]
    return jobs


def make_tickets(rng: random.Random, writer: TicketWriter) -> list[Ticket]:
    """Build the labelled rows: ordinary ones, duplicates and conflicting pairs."""
    customers = make_customers(rng, 900)
    slots = iter(repeat_customers(customers, rng))
    planned = dict(TICKET_COUNTS)
    for label, count in DUPLICATES.items():
        planned[label] -= count
    for _, first, second in en.CONFLICTS:
        planned[first] -= 1
        planned[second] -= 1
    jobs = plan_soft_rows(rng)
    for label, _ in jobs:
        planned[label] -= 1
    jobs += [(label, "") for label, count in planned.items() for _ in range(count)]
    rng.shuffle(jobs)

    tickets: list[Ticket] = []
    for label, soft in jobs:
        customer = next(slots)
        tickets.append(Ticket(customer.ident, writer.write(label, customer, soft), label))
    for label, count in DUPLICATES.items():
        tickets += rng.sample([ticket for ticket in tickets if ticket.label == label], count)
    for text, first, second in en.CONFLICTS:
        sender = rng.choice(tickets).customer
        tickets += [Ticket(sender, text, first), Ticket(sender, text, second)]
    rng.shuffle(tickets)
    return tickets


def make_new_tickets(rng: random.Random, writer: TicketWriter) -> list[tuple[str, str]]:
    """Build unlabelled rows (customer, text); one text is empty."""
    customers = iter(make_customers(rng, sum(NEW_COUNTS.values()) + 1, first=2001))
    rows = [("C2000", "")]
    for label, count in NEW_COUNTS.items():
        for _ in range(count):
            customer = next(customers)
            rows.append((customer.ident, writer.write(label, customer)))
    rng.shuffle(rows)
    return rows


# ---------------------------------------------------------------------------------------------
# Korean reviews
# ---------------------------------------------------------------------------------------------


def with_particle(noun: str, particle: str) -> str:
    """Attach the form of a particle that fits the noun's last syllable (받침 or none)."""
    after_consonant, after_vowel = ko.PARTICLES[particle]
    last = ord(noun[-1]) - 0xAC00
    final = last % 28 if 0 <= last < 11172 else 0
    closed = final != 0 and not (particle == "으로" and final == 8)  # ㄹ takes 로
    return noun + (after_consonant if closed else after_vowel)


def fill_korean_slots(phrase: str, product: str, rng: random.Random) -> str:
    """Fill the slots of a Korean phrase; ``{상품:이}`` also picks the particle."""

    def value(match: re.Match[str]) -> str:
        slot, particle = match.groups()
        noun = product if slot == "상품" else rng.choice(ko.SLOTS[slot])
        return with_particle(noun, particle) if particle else noun

    filled = SLOT.sub(value, phrase)
    return LOOSE_PARTICLE.sub(lambda match: with_particle(*match.groups()), filled)


def roughen_korean(text: str, emoticons: Sequence[str], rng: random.Random) -> str:
    """Add what people do when they type fast: lost blanks, common misspellings, ㅠㅠ."""
    for right, wrong in ko.MISSPELLINGS:
        if right in text and rng.random() < 0.25:
            text = text.replace(right, wrong, 1)
    if rng.random() < 0.22:
        words = text.split(" ")
        if len(words) > 3:
            at = rng.randrange(1, len(words))
            words[at - 1 : at + 1] = [words[at - 1] + words[at]]
        text = " ".join(words)
    if rng.random() < 0.45:
        text = text.rstrip(".")
        text += rng.choice(("", " ")) + rng.choice(emoticons)
    return text


class ReviewWriter:
    """Writes Korean reviews; never the same text twice."""

    def __init__(self, rng: random.Random) -> None:
        """Draw everything from the given random generator."""
        self._rng = rng
        self._cores = {label: Deck(table, rng) for label, table in ko.CORES.items()}
        self._seen: set[str] = set()

    def write(self, label: str) -> str:
        """Return a new review text."""
        while True:
            text = self._draft(label)
            if text not in self._seen:
                self._seen.add(text)
                return text

    def _draft(self, label: str) -> str:
        rng = self._rng
        unhappy = label in ("환불", "안전")
        closings = ko.CLOSINGS + ko.CLOSINGS_UNHAPPY if unhappy else ko.CLOSINGS
        emoticons = ko.EMOTICONS_UNHAPPY if unhappy else ko.EMOTICONS
        product = rng.choice(ko.PRODUCTS)
        templates = [self._cores[label].draw()]
        if rng.random() < 0.45:
            templates.insert(0, rng.choice(ko.OPENINGS))
        if rng.random() < 0.20:
            other = rng.choice([topic for topic in ko.ASIDES if topic != label])
            templates.append(rng.choice(ko.ASIDES[other]))
        if rng.random() < 0.40:
            templates.append(rng.choice(closings))
        stop = rng.choice((".", ".", ".", "", "!", "~", ".."))
        sentences = []
        for template in templates:
            chosen = choose_alternatives(template, rng)
            sentence = tidy(fill_korean_slots(chosen, product, rng))
            sentences.append(sentence if sentence[-1] in "?!~." else sentence + stop)
        return roughen_korean(" ".join(sentences), emoticons, rng)


def make_reviews(rng: random.Random) -> list[tuple[str, str]]:
    """Build the Korean rows (text, label)."""
    writer = ReviewWriter(rng)
    rows = [
        (writer.write(label), label) for label, count in KOREAN_COUNTS.items() for _ in range(count)
    ]
    rng.shuffle(rows)
    return rows


# ---------------------------------------------------------------------------------------------
# Files
# ---------------------------------------------------------------------------------------------


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write UTF-8 without BOM and with plain newlines on every platform."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    print(f"{path}: {len(rows)} rows")


def main() -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    folder: Path = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)

    rng = random.Random(SEED)
    writer = TicketWriter(rng)
    tickets = make_tickets(rng, writer)
    write_csv(
        folder / "support_tickets.csv",
        ("ticket_id", "customer_id", "text", "label"),
        [(f"T{i:05d}", t.customer, t.text, t.label) for i, t in enumerate(tickets, start=1)],
    )
    new = make_new_tickets(rng, writer)
    write_csv(
        folder / "support_tickets_new.csv",
        ("ticket_id", "customer_id", "text"),
        [(f"T{i:05d}", customer, text) for i, (customer, text) in enumerate(new, start=90001)],
    )
    write_csv(
        folder / "korean_reviews.csv", ("text", "label"), make_reviews(random.Random(SEED + 1))
    )


if __name__ == "__main__":
    main()
