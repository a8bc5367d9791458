"""Names, languages and blood groups of invented patients; the lists were written for this demo."""

from __future__ import annotations

import random

GIVEN = """
Abena Adriana Agnieszka Aisha Alba Alicia Amara Amelia Amina Ana Anaïs Andrea Anh Anneke Aoife Aruna Astrid Ayşe
Beatriz Bianca Brigitte Camila Carmen Cecilia Chiara Chloé Claire Dalia Daniela Deborah Delia Dina Dorothea Ebru
Elena Eleni Eliška Elsa Emiko Emma Esther Eva Fatima Fiona Flora Freya Gabriela Grace Greta Hana Hannah Harriet
Heidi Helena Ines Ingrid Irena Iris Isabel Ivana Jana Jasmin Joana Johanna Judith Julia Kamala Karima Katarina
Keiko Khadija Kirsten Lara Laura Leila Lena Leonor Lin Linnéa Louise Lucía Ludmila Maeve Magdalena Malala Mara
Margit Mariam Marta Mei Mercedes Mina Miriam Mónica Nadia Naomi Natalia Ngozi Nicole Noor Nora Odette Olga
Olivia Oluchi Paloma Patricia Paula Petra Priya Rachel Ramona Rania Rebecca Rosa Ruth Sabine Salma Samira Sandra
Sanne Sara Selma Shirin Sigrid Silvia Simone Sofia Solveig Stella Susan Svetlana Tamara Tatiana Teresa Theresa
Thuy Ursula Valentina Vera Victoria Wanjiru Yara Yasmin Yuki Zahra Zofia Zoë
""".split()

FAMILY = """
Abebe Acosta Adeyemi Ahmed Almeida Andersson Baker Banerjee Barros Bauer Becker Bergström Bianchi Boateng
Brennan Brooks Castillo Chen Clarke Costa Cruz Dahl Delgado Diallo Dimitrov Dubois Ekström El-Amin Engel Evans
Fernández Ferrari Fischer Fontaine Foster Fraser Friedman García Gibson Gomes Graham Grant Haddad Hagen Hansen
Hartmann Hassan Hayes Hernandez Hoang Hughes Ibrahim Ivanova Jansen Jensen Johansson Kamau Kaplan Kaya Keller
Kelly Khan Kim Kowalska Krüger Kumar Larsen Lefebvre Lindqvist Lopes Lopez Marino Martin Mbeki Medina Mehta
Mendoza Meyer Moreau Morgan Müller Murphy Nair Nakamura Navarro Nguyen Nkosi Novák Núñez O'Brien O'Neill Okafor
Olsen Ortiz Osei Øster Park Patel Pereira Petrov Popescu Quinn Rahman Ramirez Reid Reyes Ricci Rivera Rojas
Romano Rossi Russell Santos Sato Schmidt Schneider Sharma Silva Singh Sokolova Suzuki Tanaka Tran Vargas Vasquez
Vogel Wagner Walker Wang Weber Wójcik Wright Yamamoto Yilmaz Young Zhang Zimmermann
""".split()

CLINICIANS = tuple(f"OB-{number:03d}" for number in range(1, 25)) + tuple(f"MW-{number:03d}" for number in range(1, 19))
THERAPISTS = tuple(f"PT-{number:02d}" for number in range(1, 12))

#: Shares of the population in per cent.
_BLOOD_GROUPS = {"O+": 38, "O-": 7, "A+": 34, "A-": 6, "B+": 9, "B-": 2, "AB+": 3, "AB-": 1}
_LANGUAGES = {"en": 74, "es": 14, "fr": 3, "vi": 3, "ar": 2, "zh": 2, "pl": 1, "tr": 1}


def full_name(chance: random.Random) -> str:
    """A given name and a family name, one in seven with two family names."""
    family = chance.choice(FAMILY)
    if chance.random() < 1 / 7:
        family = f"{family}-{chance.choice(FAMILY)}"
    return f"{chance.choice(GIVEN)} {family}"


def blood_group(chance: random.Random) -> str:
    """ABO and Rhesus group by its share of the population."""
    return chance.choices(list(_BLOOD_GROUPS), list(_BLOOD_GROUPS.values()))[0]


def language(chance: random.Random) -> str:
    """ISO 639-1 code of the language that the patient prefers."""
    return chance.choices(list(_LANGUAGES), list(_LANGUAGES.values()))[0]


def medical_record_number(number: int) -> str:
    """`MRN-` and nine digits, the last of which is the Luhn check digit of the others."""
    digits = f"{number:08d}"
    doubled = (int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    total = sum(value - 9 if value > 9 else value for value in doubled)
    return f"MRN-{digits}{-total % 10}"
