# SPDX-License-Identifier: Apache-2.0
"""tools/to_ndjson.py on small files as the other servers write them."""
import json
import pathlib
import subprocess
import sys

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "to_ndjson.py"


def convert(kind, text, *options):
    done = subprocess.run([sys.executable, TOOL, kind, *options, "-"], input=text, capture_output=True, text=True,
                          check=False)
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.splitlines(), done.returncode


def test_sip_conf_friends_with_templates_and_what_does_not_register():
    users, lost, code = convert("sip.conf", """
[general]
realm = example.com
;-- a
comment --;
[office](!)
type = friend
host = dynamic
[1008](office)
secret = s3cret ; with a comment
callerid = "Alice, 1008" <1008>
[1009](office)
md5secret = 5F4DCC3B5AA765D61D8327DEB882CF99
defaultuser = nine
[trunk]
type = peer
host = 192.0.2.1
[1010](office)
""", "--domain", "example.com")
    assert users == [
        {"domain": "example.com", "username": "1008", "password": "s3cret", "display_name": "Alice, 1008"},
        {"domain": "example.com", "username": "1009", "ha1": {"MD5": "5f4dcc3b5aa765d61d8327deb882cf99"},
         "auth_username": "nine"},
        {"domain": "example.com", "username": "1010"}]
    assert len(lost) == 2 and "[trunk]" in lost[0] and "no secret" in lost[1]
    assert code == 1


def test_sip_conf_md5secret_of_another_realm_is_told():
    users, lost, _ = convert("sip.conf", "[a]\ntype=friend\nhost=dynamic\nmd5secret=00\n", "--domain", "example.com")
    assert users == [{"domain": "example.com", "username": "a"}]
    assert any("realm 'asterisk'" in line for line in lost)


def test_pjsip_conf_endpoint_auth_and_aor_make_a_user():
    users, lost, code = convert("pjsip.conf", """
[1008]
type=endpoint
auth=1008-auth
aors=1008
callerid=Alice <1008>
[1008-auth]
type=auth
auth_type=userpass
username=alice
password=s3cret
[1008]
type=aor
max_contacts=3
""", "--domain", "example.com")
    assert users == [{"domain": "example.com", "username": "1008", "password": "s3cret", "auth_username": "alice",
                      "display_name": "Alice", "max_bindings": 3}]
    assert lost == [] and code == 0


def test_kamailio_mysqldump():
    users, lost, code = convert("kamailio", """
CREATE TABLE `subscriber` (
  `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `username` varchar(64) NOT NULL DEFAULT '',
  `domain` varchar(64) NOT NULL DEFAULT '',
  `password` varchar(64) NOT NULL DEFAULT '',
  `ha1` varchar(128) NOT NULL DEFAULT '',
  `ha1b` varchar(128) NOT NULL DEFAULT ''
) ENGINE=InnoDB;
INSERT INTO `subscriber` VALUES (1,'al','example.com','it''s; (a) \\'test\\'','aa','bb'),(2,'bo','example.com','','CC','dd');
""")
    assert users == [{"domain": "example.com", "username": "al", "password": "it's; (a) 'test'"},
                     {"domain": "example.com", "username": "bo", "ha1": {"MD5": "cc"}}]
    assert lost == [] and code == 0


def test_kamailio_pg_dump():
    users, _, code = convert("kamailio", "COPY public.subscriber (id, username, domain, password, ha1, ha1b) FROM stdin;\n"
                             "1\tal\texample.com\tpw\t\\N\t\\N\n2\tbo\texample.com\t\\N\tcc\t\\N\n\\.\n")
    assert users == [{"domain": "example.com", "username": "al", "password": "pw"},
                     {"domain": "example.com", "username": "bo", "ha1": {"MD5": "cc"}}]
    assert code == 0


def test_csv_with_labels_and_an_unknown_column():
    users, lost, code = convert("csv", "username,password,enabled,max_bindings,label_site,color\n"
                                "al,pw,no,2,Bern,red\n,x,,,,\n", "--domain", "example.com")
    assert users == [{"domain": "example.com", "username": "al", "password": "pw", "enabled": False,
                      "max_bindings": 2, "labels": {"site": "Bern"}}]
    assert len(lost) == 2 and "color" in lost[0] and "line 3" in lost[1]
    assert code == 1


def test_a_file_that_is_not_there_is_exit_2():
    done = subprocess.run([sys.executable, TOOL, "csv", "/nonexistent"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "/nonexistent" in done.stderr
