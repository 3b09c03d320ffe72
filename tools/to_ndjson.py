#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Users of other SIP servers as NDJSON for `rollcall import` or POST /v1/users:import.

    tools/to_ndjson.py sip.conf          --domain example.com FILE   Asterisk chan_sip
    tools/to_ndjson.py pjsip.conf        --domain example.com FILE   Asterisk PJSIP
    tools/to_ndjson.py kamailio          FILE                        `subscriber` as SQL (mysqldump, pg_dump) or CSV
    tools/to_ndjson.py csv               [--domain example.com] FILE  a header line, then rows

FILE may be - for standard input. Users go to standard output, a line each; what could not be carried over goes to
standard error, a line each, with the line or section it is about. Exit status: 0 when all was carried over, 1 when
something was not, 2 when the file could not be read.
"""
import argparse
import csv
import io
import json
import re
import sys

CSV_COLUMNS = {"username", "domain", "password", "auth_username", "display_name", "enabled", "max_bindings",
               "ha1", "ha1_md5", "ha1_sha256", "ha1_sha512_256"}


class Output:
    """Users out, complaints aside; counts the latter."""

    def __init__(self, users, complaints, verbose=False):
        self.users, self.complaints, self.verbose, self.lost = users, complaints, verbose, 0

    def user(self, user):
        self.users.write(json.dumps(user, ensure_ascii=False) + "\n")

    def complain(self, where, what):
        self.lost += 1
        self.complaints.write(f"{where}: {what}\n")

    def note(self, where, what):
        if self.verbose:
            self.complaints.write(f"{where}: {what}\n")


def read_sections(text, out):
    """Asterisk's configuration format: [name](template,!), key = value, key => value, ; comments."""
    sections, current, comment = [], None, False
    for number, line in enumerate(text.splitlines(), 1):
        if comment or line.lstrip().startswith(";--"):
            comment = "--;" not in line
            continue
        line = re.split(r"(?<!\\);", line, maxsplit=1)[0].replace("\\;", ";").strip()
        if not line:
            continue
        header = re.match(r"\[([^\]]+)\]\s*(?:\(([^)]*)\))?$", line)
        if header:
            marks = [m.strip() for m in (header.group(2) or "").split(",") if m.strip()]
            current = {"name": header.group(1), "line": number, "template": "!" in marks, "add": "+" in marks,
                       "parents": [m for m in marks if m not in "!+"], "items": []}
            if current["add"]:
                earlier = [s for s in sections if s["name"] == current["name"]]
                if earlier:
                    current = earlier[-1]
                    continue
            sections.append(current)
        elif line.startswith("#"):
            out.complain(f"line {number}", f"{line.split()[0]} is not followed: convert the included file too")
        elif current is None or "=" not in line:
            out.complain(f"line {number}", "not understood")
        else:
            key, value = re.split(r"\s*=>?\s*", line, maxsplit=1)
            current["items"].append((key.strip().lower(), value.strip()))
    return sections


def settings_of(section, sections, seen=()):
    """A section's settings with its templates' below them, the last value of each key."""
    settings = {}
    for parent in section["parents"]:
        found = [s for s in sections if s["name"] == parent and s is not section]
        if found and parent not in seen:
            settings.update(settings_of(found[0], sections, (*seen, parent)))
    settings.update(section["items"])
    return settings


def caller_id_name(value):
    found = re.match(r'\s*"?([^"<]*?)"?\s*<[^>]*>\s*$', value or "")
    return found.group(1).strip() if found else (value or "").strip()


def user_of(username, domain, password=None, ha1=None, display_name=None, auth_username=None, max_bindings=None):
    user = {"domain": domain, "username": username}
    if password:
        user["password"] = password
    elif ha1:
        user["ha1"] = ha1
    if auth_username and auth_username != username:
        user["auth_username"] = auth_username
    if display_name:
        user["display_name"] = display_name
    if max_bindings:
        user["max_bindings"] = max_bindings
    return user


def from_sip_conf(text, options, out):
    sections = read_sections(text, out)
    general = dict(next((s["items"] for s in sections if s["name"] == "general"), []))
    realm = general.get("realm", "asterisk")
    for section in sections:
        where = f"[{section['name']}] (line {section['line']})"
        settings = settings_of(section, sections)
        if section["template"] or section["name"] in ("general", "authentication") or "type" not in settings:
            continue
        if settings["type"] not in ("friend", "peer"):
            out.complain(where, f"type={settings['type']} does not register")
            continue
        if settings.get("host", "dynamic") != "dynamic":
            out.complain(where, f"host={settings['host']}: a fixed address does not register")
            continue
        ha1 = None
        if settings.get("md5secret"):
            if realm == options.domain:
                ha1 = {"MD5": settings["md5secret"].lower()}
            elif not settings.get("secret"):
                out.complain(where, f"md5secret is for the realm '{realm}': give the domain that realm, or a password")
        if not settings.get("secret") and not ha1:
            out.complain(where, "no secret: the user cannot register until it has a password")
        user = user_of(section["name"], options.domain, settings.get("secret"), ha1,
                       caller_id_name(settings.get("callerid") or settings.get("fullname")),
                       settings.get("defaultuser") or settings.get("username"))
        out.user(user)


def from_pjsip_conf(text, options, out):
    sections = read_sections(text, out)
    by_type = {}
    for section in sections:
        if not section["template"]:
            settings = settings_of(section, sections)
            by_type.setdefault(settings.get("type"), {})[section["name"]] = (section, settings)
    for name, (section, endpoint) in by_type.get("endpoint", {}).items():
        where = f"[{name}] (line {section['line']})"
        auth_names = [a.strip() for a in endpoint.get("auth", "").split(",") if a.strip()]
        aor_names = [a.strip() for a in endpoint.get("aors", "").split(",") if a.strip()]
        if not aor_names:
            out.complain(where, "no aors: does not register")
            continue
        auth = by_type.get("auth", {}).get(auth_names[0], (None, None))[1] if auth_names else None
        if auth_names and auth is None:
            out.complain(where, f"auth={auth_names[0]} is not in this file")
        if len(auth_names) > 1:
            out.complain(where, f"only the first of auth={','.join(auth_names)} is carried over")
        password, ha1 = None, None
        if auth is None:
            out.complain(where, "no auth: the user cannot register until it has a password")
        elif auth.get("auth_type", "userpass") in ("userpass", "digest") and auth.get("password"):
            password = auth["password"]
        elif auth.get("md5_cred") or auth.get("password_digest"):
            ha1 = pjsip_ha1(auth, options, where, out)
        else:
            out.complain(where, "auth without a password: the user cannot register until it has one")
        for aor_name in aor_names:
            aor = by_type.get("aor", {}).get(aor_name, (None, {}))[1]
            if aor.get("contact") and not aor.get("max_contacts"):
                out.complain(where, f"aor {aor_name} has a fixed contact: it does not register")
                continue
            most = aor.get("max_contacts", "")
            out.user(user_of(aor_name, options.domain, password, ha1, caller_id_name(endpoint.get("callerid")),
                             (auth or {}).get("username"), int(most) if most.isdigit() and int(most) else None))


def pjsip_ha1(auth, options, where, out):
    realm = auth.get("realm", "asterisk")
    if realm != options.domain:
        out.complain(where, f"the digest is for the realm '{realm}': give the domain that realm, or a password")
        return None
    if auth.get("password_digest"):
        name, _, digest = auth["password_digest"].partition(":")
        if name.upper() in ("MD5", "SHA-256", "SHA-512-256"):
            return {name.upper(): digest.lower()}
        out.complain(where, f"password_digest of {name} cannot be carried over")
        return None
    return {"MD5": auth["md5_cred"].lower()}


def sql_rows(text):
    """Rows of `subscriber` in INSERT statements (mysqldump) or a COPY block (pg_dump), as dictionaries."""
    columns = ["id", "username", "domain", "password", "ha1", "ha1b"]
    table = re.search(r"CREATE TABLE [`\"\w.]*subscriber[`\"]?\s*\((.*?)\n\)", text, re.S)
    if table:
        columns = re.findall(r"^\s*[`\"]?(\w+)[`\"]?\s+(?:int|char|var|text|time|date|serial|big|character)",
                             table.group(1), re.M | re.I) or columns
    for insert in re.finditer(r"INSERT INTO [`\"\w.]*subscriber[`\"]?\s*(\([^)]*\))?\s*VALUES\s*", text, re.I):
        names = re.findall(r"\w+", insert.group(1)) if insert.group(1) else columns
        yield from (dict(zip(names, values)) for values in sql_values(text, insert.end()))
    for copy in re.finditer(r"^COPY [\w.\"]*subscriber\s*\(([^)]*)\) FROM stdin;\n(.*?)^\\\.$", text, re.S | re.M):
        names = re.findall(r"\w+", copy.group(1))
        for line in copy.group(2).splitlines():
            values = [None if v == "\\N" else v.replace("\\t", "\t").replace("\\\\", "\\") for v in line.split("\t")]
            yield dict(zip(names, values))


def sql_values(text, at):
    """(1,'a','it''s'),(2,...); from position `at` on."""
    escapes = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
    while at < len(text) and text[at] == "(":
        row, value, quoted, was_quoted = [], "", False, False
        at += 1
        while at < len(text):
            c = text[at]
            if quoted and c == "\\" and at + 1 < len(text):
                at += 1
                value += escapes.get(text[at], text[at])
            elif quoted and c == "'" and text[at + 1:at + 2] == "'":
                at += 1
                value += "'"
            elif c == "'":
                quoted, was_quoted = not quoted, True
            elif not quoted and c in ",)":
                row.append(value if was_quoted or value.strip().upper() != "NULL" else None)
                value, was_quoted = "", False
                if c == ")":
                    break
            elif quoted or not c.isspace():
                value += c
            at += 1
        yield row
        at += 1
        while at < len(text) and text[at] in ", \r\n\t":
            at += 1


def from_kamailio(text, options, out):
    rows = list(sql_rows(text)) if re.search(r"\b(INSERT INTO|COPY)\b", text) else list(csv.DictReader(io.StringIO(text)))
    for number, row in enumerate(rows, 1):
        where = f"row {number} ({row.get('username')}@{row.get('domain')})"
        domain = row.get("domain") or options.domain
        if not row.get("username") or not domain:
            out.complain(where, "no username or no domain: left out")
            continue
        ha1 = {name: row[column].lower() for name, column in
               (("MD5", "ha1"), ("SHA-256", "ha1_sha256"), ("SHA-512-256", "ha1_sha512t256")) if row.get(column)}
        if not row.get("password") and not ha1:
            out.complain(where, "neither password nor ha1: the user cannot register until it has one")
        if not row.get("password") and ha1:
            out.note(where, "only ha1: it holds while the domain's realm is the domain's name")
        out.user(user_of(row["username"], domain, row.get("password"), ha1))


def from_csv(text, options, out):
    reader = csv.DictReader(io.StringIO(text))
    unknown = set(reader.fieldnames or []) - CSV_COLUMNS
    labels = sorted(c for c in unknown if c and c.startswith("label_"))
    for column in sorted(c for c in unknown if c and c not in labels):
        out.complain("line 1", f"column '{column}' is not carried over (known: {', '.join(sorted(CSV_COLUMNS))}, label_*)")
    for row in reader:
        where = f"line {reader.line_num}"
        domain = row.get("domain") or options.domain
        if not row.get("username") or not domain:
            out.complain(where, "no username or no domain: left out")
            continue
        ha1 = {name: row[column].lower() for name, column in
               (("MD5", "ha1"), ("MD5", "ha1_md5"), ("SHA-256", "ha1_sha256"), ("SHA-512-256", "ha1_sha512_256"))
               if row.get(column)}
        user = user_of(row["username"], domain, row.get("password"), ha1, row.get("display_name"),
                       row.get("auth_username"))
        if row.get("enabled"):
            user["enabled"] = row["enabled"].strip().lower() in ("1", "true", "yes", "on")
        if row.get("max_bindings"):
            if row["max_bindings"].strip().isdigit():
                user["max_bindings"] = int(row["max_bindings"])
            else:
                out.complain(where, f"max_bindings '{row['max_bindings']}' is no number")
        given = {c[len("label_"):]: row[c] for c in labels if row.get(c)}
        if given:
            user["labels"] = given
        if "password" not in user and "ha1" not in user:
            out.complain(where, "neither password nor ha1: the user cannot register until it has one")
        out.user(user)


FORMATS = {"sip.conf": from_sip_conf, "pjsip.conf": from_pjsip_conf, "kamailio": from_kamailio, "csv": from_csv}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("format", choices=FORMATS)
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--domain", help="the domain of users that have none of their own")
    parser.add_argument("--verbose", action="store_true", help="say also what is carried over with a condition")
    options = parser.parse_args()
    if options.format in ("sip.conf", "pjsip.conf") and not options.domain:
        parser.error(f"{options.format} needs --domain")
    try:
        with (sys.stdin if options.file == "-" else open(options.file, encoding="utf-8", newline="")) as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        print(f"{options.file}: {error}", file=sys.stderr)
        return 2
    out = Output(sys.stdout, sys.stderr, options.verbose)
    FORMATS[options.format](text, options, out)
    return 1 if out.lost else 0


if __name__ == "__main__":
    sys.exit(main())
