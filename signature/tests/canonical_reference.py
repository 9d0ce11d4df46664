"""CPython's own answers, for `canonical_json.rs` beside this file.

    canonical_reference.py vectors            > canonical_vectors.jsonl
    canonical_reference.py random SEED COUNT

`vectors` writes one {"input", "output"} a line, with null for what Python refuses. `random`
writes lines of two hex fields, body and answer, the answer `-` for what Python refuses.
Nothing nests deeper than Python's recursion limit or ours.
"""

import json
import random
import struct
import sys


def canonical(body):
    """What the first seed's signing script signs, or None."""
    try:
        value = json.loads(body.decode("utf-8"))
        return json.dumps(value, separators=(",", ":"), sort_keys=True)
    except ValueError:
        return None


# Numbers whose digits, exponents or rounding are at an edge.
NUMBERS = """
0 -0 1 -1 9 10 -10 123 00 01 -01 - -- +1 .5 1. 1.e5 1e 1e+ 1e- 1E 0x10 1_000 1e5.0 0.0 -0.0 0e0 -0e0
0E-0 0e400 0.0e-999999999999999999999 1e5 1E5 1e+5 1E-5 1e-5 1e-4 1e-04 0.0001 0.00001 0.001 12e-4
1e15 1e16 1e17 1e21 1e22 1e23 1e-7 1e308 1e309 -1e309 1e400 -1e400 1e99999999999999999999
1e-99999999999999999999 1e-400 1.7976931348623157e308 1.7976931348623158e308 1.7976931348623159e308
179769313486231580793728971405301e276 2.2250738585072014e-308 2.2250738585072011e-308 5e-324
4.9e-324 2.4703282292062327e-324 2.4703282292062328e-324 3e-324 1e-323 0.1 0.2 0.30000000000000004
1.50 1.5e0 15e-1 0.1e1 100.0 100.5 123456789.123456789 9007199254740992.0 9007199254740993.0
9007199254740993 9999999999999998.0 99999999999999999.0 999999999999999.9 9999999999999999.5
123456789012345678901234567890 -123456789012345678901234567890 5.684341886080802e-14
5.6843418860808015e-14 4503599627370497.5 4503599627370496.5 1e-1 1.0e-10 12345678901234567e-3
1234567890123456.7 1125899906842624.25 1125899906842624.75 1125899906842625.25 144675763406957.6094 2251799813685248.5 0.000123456 0.0000123456 -1.5e-9 -0.00009 8.41e21 2e-3 6.02214076E+23 1e0001 1e-0001
NaN Infinity -Infinity -NaN +Infinity nan inf Infinit Infinityy -Infinit
""".split()

STRINGS = [
    r'""', r'"a"', r'"/"', r'"\/"', r'"\b\f\n\r\t\"\\"', r'"\u0008\u000c\u000a\u000d\u0009\u0022\u005c\u002f"',
    r'"\u0000"', r'"\u001f\u0020\u007e\u007f\u0080"', '"\x7f"', '"\x80"', '"~ !"', r'"\u00E9\u00e9"',
    '"\u00e9\u4e2d\uffff"', '"\U0001f600"', r'"\ud83d\ude00"', r'"\uD83D\uDE00"', r'"\ud800"', r'"\udc00"',
    r'"\udbff\udfff"', r'"\ude00\ud83d"', r'"\udc00\udc00"', r'"\ud800\ud800\udc00"', r'"\ud800x"', r'"\ud800\n"', r'"\ud800\u0041"', r'"\ud800\ue000"', r'"\ud800\udbff"',
    r'"\ud800\u00"', r'"\ud800\u"', r'"\ud800\"', r'"\u12"', r'"\u12g4"', r'"\u 123"', r'"\u+123"', r'"\u00é9"',
    r'"\x41"', r'"\a"', r'"\0"', r'"\U00000041"', r'"\ "', '"\\', '"', '"a', "'a'", '"\t"', '"\n"', '"\x00"',
    '"\x1f"', '"\u2028\u2029"', '"\ufeff"', '"a\\\nb"', '"\U0010ffff"', r'"\\u0041"', r'"\\\\"',
]

DOCUMENTS = [
    "", " ", "\t\n\r 1 \r\n\t", "\x0b1", "1\x0c", "\u00a01", "\ufeff{}", "\ufeff1", "1\x00", "1 2", "{}", "[]",
    " { } ", " [ ] ", "[1,]", "[,1]", "[,]", "[1 2]", "[1,,2]", "[1", "[", "]", "{", "}", "[}", "{]", '{"a"}',
    '{"a":}', '{"a":1,}', '{,"a":1}', '{"a" 1}', '{"a"::1}', "{1:2}", "{a:1}", "{null:1}", '{"a":1 "b":2}',
    '{"a":1;"b":2}', '{"a":1,,"b":2}', '{"a":[1,{"b":[]}]}', ' {\t"b" :\n[ 1 ,\r2 ] , "a" : { } } ',
    "null", "true", "false", "nul", "nulll", "True", "None", "truefalse", "[null,true,false]", "undefined",
    "[NaN,Infinity,-Infinity]", '{"a":NaN}', "/* c */1", "// c\n1", "#1", "1//", '"a" "b"', '"a""b"', "[][]", "{}{}",
    '{"b":1,"a":2}', '{"a":1,"a":2}', '{"a":1,"b":2,"a":3}', '{"b":{"d":1,"c":2},"a":[{"z":1,"y":2},{"x":1}]}',
    '{"a":1,"a":{"c":1,"b":{"e":1,"d":2}},"A":0}', '{"":1," ":2,"!":3,"\\"":4,"\\u0000":5,"\\n":6}',
    '{"\\u0061":1,"a":2}', '{"a":1,"\\u0061":2}', '{"\\ud83d\\ude00":1,"\U0001f600":2}',
    '{"\U0001f600":1,"\uffff":2,"\ue000":3,"\\ud83d":4,"\\ude00":5,"\\ud7ff":6,"z":7,"\x7f":8,"\x80":9}',
    '{"\\ud800":1,"\\ud800a":2,"\\ud800\\udc00":3,"\\udc00":4,"\\ud7ff\\uffff":5,"":6}',
    '{"\\udc00\\udc00":1,"\\udc00\\uffff":2,"\\udc00a":3,"\\ue000":4}',
    '{"a":1,"ab":2,"a\\u0000":3,"B":4,"_":5,"\u00e9":6,"e\u0301":7}', '{"10":1,"9":2,"1":3,"-1":4}',
    '{"\\\\":1,"]":2,"[":3,"\\"":4,"#":5,"!":6}', '{"b":[{"b":1,"a":[{"b":1,"a":2},{"a":1}]}],"a":{"b":{},"a":{"b":1,"a":0}}}',
    '{"c":{"b":1,"a":1},"c":{"z":{"b":1,"a":1},"y":1},"b":{"b":0,"a":0}}', '{"a":{"b":1,"a":1},"b":2}',
    "[" * 100 + "]" * 100, '{"a":' * 60 + "[]" + "}" * 60, "[" * 100 + "]" * 99, "[" * 99 + "]" * 100,
    '{"b":1,"a":' * 40 + "0" + "}" * 40, "9" * 4300, "-" + "9" * 4300, "9" * 4301, "-" + "9" * 4301,
    "9" * 4301 + ".0", "9" * 4301 + "e0", "1" * 400 + ".5", "0." + "0" * 400 + "1e401", "0." + "3" * 5000, "1" + "0" * 308 + ".0",
    '{"payload":{"a":1.0,"b":1e5,"c":1e16,"d":1E-5,"e":0.0001,"f":-0.0,"g":-0,"h":123456789012345678901234567890,'
    '"i":1.50,"j":1e22,"k":123456789.123456789,"l":0.1e1}}', '{"payload":{"a":1,"a":2},"payload":{"b":true,"b":null}}',
]


def vectors():
    for text in DOCUMENTS + NUMBERS + STRINGS + [f'[{n} ,{{"k":{n}}}]' for n in NUMBERS] + [f"{{{s}:{s}}}" for s in STRINGS]:
        print(json.dumps({"input": text, "output": canonical(text.encode())}))


class Documents:
    """Random bodies, made as text so that every spelling of a value occurs."""

    CHARACTERS = list("abcABC019 _-/'<&~") + ["\u00e9", "\u4e2d", "\ue000", "\uffff", "\U00010000", "\U0001f600", "\x7f", "\x80"]
    ESCAPES = [r"\b", r"\f", r"\n", r"\r", r"\t", r"\"", r"\\", r"\/", r"\u0000", r"\u001F", r"\u0061", r"\u00e9", r"\uD7FF",
               r"\ud800", r"\uDBFF", r"\udc00", r"\uDFFF", r"\uE000", r"\uFFFF", r"\ud83d\ude00", r"\uD800\uDC00"]
    BROKEN = ['"', "\\", "{", "}", "[", "]", ",", ":", "0", "-", ".", "e", "+", "\x00", "\t", "\x0b", "\u00e9", "\\u", "NaN", "1", " "]
    SPACES = ["", "", "", "", "", " ", "\n", "\t\r ", "  "]

    def __init__(self, seed):
        self.random = random.Random(seed)

    def string(self):
        r = self.random
        parts = r.choices(self.CHARACTERS, k=int(r.random() ** 2 * 7))
        if r.random() < 0.3:
            parts[r.randint(0, len(parts)):0] = r.choices(self.ESCAPES, k=r.randint(1, 3))
        return '"' + "".join(parts) + '"'

    def key(self, used):
        if used and self.random.random() < 0.15:
            return self.random.choice(used)
        used.append(self.string())
        return used[-1]

    def float(self):
        r = self.random
        kind = r.random()
        if kind < 0.35:  # any bit pattern: huge, tiny, denormal, infinite
            return repr(struct.unpack("<d", r.randbytes(8))[0]).replace("inf", "Infinity").replace("nan", "NaN")
        if kind < 0.5:  # denormals, and the last bits of powers of two
            bits = r.choice([r.getrandbits(r.randint(1, 52)), (r.randint(0, 2046) << 52) + r.choice([0, 1, (1 << 52) - 1])])
            return "%.*e" % (r.choice([15, 16, 17, 18, 25]), struct.unpack("<d", struct.pack("<Q", bits))[0])
        if kind < 0.6:
            return "%s1%s%d" % (r.choice(["", "-"]), r.choice(["e", "E", "e+", "e-", "E-0", ".0e", ".00E-"]), r.randint(0, 340))
        if kind < 0.8:
            return "%d.%0*d" % (r.randint(-10**r.randint(0, 18), 10**r.randint(0, 18)), r.randint(1, 12), r.randint(0, 10**9))
        return "%s%d.%de%s%d" % (r.choice(["", "-"]), r.getrandbits(r.randint(1, 64)), r.getrandbits(r.randint(1, 64)), r.choice(["", "+", "-"]), r.randint(0, 330))

    def integer(self):
        r = self.random
        kind = r.random()
        if kind < 0.1:
            return r.choice(["0", "-0", "-1", "9007199254740993"])
        if kind < 0.997:
            return str(r.randint(-10**r.randint(0, 40), 10**r.randint(0, 40)))
        return r.choice(["", "-"]) + "7" * r.choice([50, 400, 4299, 4300, 4301])

    def value(self, depth):
        r = self.random
        kind = r.random()
        if depth < 7 and kind < (0.9 if depth == 0 else 0.42):
            gap = r.choice(self.SPACES)
            count = int(r.random() ** 2 * 5) + (depth == 0)
            if kind < 0.65 if depth == 0 else kind < 0.3:
                used = []
                return "{" + gap + (gap + "," + gap).join([self.key(used) + gap + ":" + gap + self.value(depth + 1) for _ in range(count)]) + gap + "}"
            return "[" + gap + (gap + "," + gap).join([self.value(depth + 1) for _ in range(count)]) + gap + "]"
        kind = r.random()
        if kind < 0.3:
            return self.string()
        if kind < 0.65:
            return self.float()
        if kind < 0.85:
            return self.integer()
        return r.choice(["null", "true", "false", "NaN", "Infinity", "-Infinity", "[]", "{}", '""'])

    def long_number(self):
        """The exponent and as many digits outweigh each other, or one of them wins."""
        r = self.random
        places = r.choice([59_000, 65_000, 66_000, 100_000])
        exponent = r.choice([places + r.randint(-320, 320), places * 10, 65_536, 10**30])
        if r.random() < 0.5:
            return "-0.%s%de%d" % ("0" * places, r.getrandbits(60), exponent)
        return "%d%s.5e-%d" % (r.getrandbits(60) + 1, "0" * places, exponent)

    def body(self):
        r = self.random
        kind = r.random()
        if kind < 0.0003:
            return self.long_number().encode()
        text = r.choice(self.SPACES) + self.value(0) + r.choice(self.SPACES)
        if kind < 0.8:
            return text.encode()
        for _ in range(r.randint(1, 2)):
            at = r.randint(0, len(text))
            text = text[:at] + r.choice(self.BROKEN + [""]) + text[at + r.randint(0, 1):]
        body = text.encode()
        if kind > 0.98:
            at = r.randint(0, len(body))
            body = body[:at] + r.choice([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xc0\x80", b"\xf5"]) + body[at:]
        return body


def random_lines(seed, count):
    documents = Documents(seed)
    write = sys.stdout.write
    for _ in range(count):
        body = documents.body()
        answer = canonical(body)
        write(f"{body.hex()} {'-' if answer is None else answer.encode().hex()}\n")


if __name__ == "__main__":
    if sys.argv[1] == "vectors":
        vectors()
    else:
        random_lines(int(sys.argv[2]), int(sys.argv[3]))
