"""Words by which personal data is known; data only."""

# ruff: noqa: SIM905 - lists of words read best as words

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rehearse.profiles.personal import Personal

# The words of a column's name, the surest kind first: ip_address is an ip, email_address an email.
WORDS: Mapping[Personal, frozenset[str]] = {
    "secret": frozenset(
        """password passwd passwort pwd passphrase token secret apikey jwt otp totp pin pincode cvv cvc cvv2 credential
        session cookie salt hash digest signature fingerprint bearer nonce oauth motdepasse contrasena""".split()
    ),
    "email": frozenset("email mail emailaddress mailaddress courriel correo".split()),
    "ip": frozenset("ip ipv4 ipv6 ipaddr ipaddress inet mac macaddr macaddress".split()),
    "iban": frozenset("iban bban bic kontonummer".split()),
    "card": frozenset("card pan cardno cardnumber cardnum creditcard ccnumber ccnum cc".split()),
    "national id": frozenset(
        """ssn nino nin nir insee dni nie nif cpf cnpj curp rfc pesel bsn tin itin ein vatno passport passportno
        reisepass taxid personnummer aadhaar aadhar licence license plate driverlicense steuerid steuernummer
        codicefiscale nationalid cedula imei""".split()
    ),
    "birth date": frozenset(
        "dob birth birthday birthdate dateofbirth born geburtsdatum geburtstag gebdat gebdatum naissance".split()
    ),
    "phone": frozenset(
        "phone phoneno phonenumber tel telephone telefon telefono telefone mobile cell cellphone fax msisdn whatsapp "
        "handy portable mobil handynummer rufnummer telefonnummer mobilnummer telnr celular movil gsm".split()
    ),
    "user name": frozenset("username login nickname nick handle alias twitter instagram skype telegram".split()),
    "location": frozenset(
        """lat latitude lng lon longitude geo geom geometry geog geography gps coordinate coord location latlng latlon
        geohash geopoint""".split()
    ),
    "address": frozenset(
        """address addr street road city town zip zipcode postcode postal postalcode house apartment suite adresse
        strasse ort plz rue ville calle ciudad direccion indirizzo endereco""".split()
    ),
    "name": frozenset(
        """name firstname lastname fname lname surname forename given family maiden fullname middlename initial nom
        prenom nombre apellido vorname nachname cognome sobrenome author recipient sender beneficiary holder payee payer
        cardholder signatory spouse employer""".split()
    ),
    "url": frozenset(
        "url uri link href website homepage webpage avatar photo linkedin facebook referrer referer".split()
    ),
    "free text": frozenset(
        """note comment description desc bio biography about message msg body content text subject summary feedback
        review remark memo reason title answer question reply transcript diagnosis symptom complaint useragent
        kommentar notiz bemerkung beschreibung""".split()
    ),
}
# Two words side by side that say more than each.
PAIRS: Mapping[tuple[str, str], Personal] = {
    **{(word, "id"): "national id" for word in "national tax personal passport citizen fiscal vat government".split()},
    **{("tax", word): "national id" for word in "no number num code".split()},
    **{("vat", word): "national id" for word in "no number num".split()},
    **{("social", word): "national id" for word in "security insurance".split()},
    **{("account", word): "iban" for word in "no number num iban".split()},
    **{("routing", word): "iban" for word in "no number".split()},
    ("bank", "account"): "iban",
    ("sort", "code"): "iban",
    **{
        (word, "key"): "secret" for word in "api private secret access auth encryption signing recovery license".split()
    },
    **{(word, "id"): "secret" for word in "session device cookie advertising".split()},
    **{(word, "code"): "secret" for word in "verification reset recovery backup activation".split()},
    ("security", "question"): "secret",
    ("security", "answer"): "secret",
    **{("user", word): "user name" for word in "name login handle".split()},
    ("screen", "name"): "user name",
    ("user", "agent"): "free text",
    **{(word, "addr"): "ip" for word in "remote client ip host peer source".split()},
    **{(word, "at"): "birth date" for word in "born birth".split()},
    **{(word, "on"): "birth date" for word in "born birth".split()},
    ("credit", "card"): "card",
}
# Endings that make a name speak of a personal value rather than hold one.
NOT_ABOUT_IT = frozenset(
    """id ids count cnt flag type types at verified kind status enabled disabled confirmed valid validated required
    method format length len size brand total on allowed sent visible visibility public score rank version mode level
    order position index idx pref preference preferences frequency hours provider category class limit quota attempts
    expires expiry expiration changed updated created opened clicked bounced template amount price cost fee rate state
    country currency locale language lang priority schema only opt optin optout""".split()
)
# Beginnings that make it a question or a count.
QUESTIONS = frozenset(
    "is has can should allow allows num count n total wants accepts require requires use uses".split()
)
# Beginnings and endings of words written together: customeremail, phonemobile.
STEMS: tuple[tuple[str, Personal], ...] = (
    ("password", "secret"),
    ("email", "email"),
    ("phone", "phone"),
    ("passport", "national id"),
    ("ipaddress", "ip"),
    ("address", "address"),
    ("username", "user name"),
    ("birthday", "birth date"),
    ("birthdate", "birth date"),
    ("street", "address"),
    ("name", "name"),
    ("token", "secret"),
    ("secret", "secret"),
)
# Faker's lists of names that are read.
LOCALES = (
    "en_US en_GB en_IN de_DE fr_FR es_ES es_MX it_IT nl_NL pt_BR pt_PT pl_PL cs_CZ hu_HU ro_RO sv_SE da_DK no_NO fi_FI "
    "tr_TR el_GR ru_RU uk_UA ar_AA zh_CN ja_JP ko_KR"
).split()
HONORIFICS = frozenset("mr mrs ms miss dr prof sir herr frau mme mlle sr sra signor signora pani pan".split())
PARTICLES = frozenset("de van von der den da di du la le el bin ben y e dos del ten ter zu".split())
# Names that are ordinary words as well, where they stand alone; Faker's English words are further ones.
ORDINARY = frozenset(
    """may june april august march december sunday monday friday summer winter autumn spring day night red green black
    white brown gray grey gold silver blue pink orange violet amber ruby pearl jade olive ivory coral rose crystal
    diamond price case page young long short rich best low high king queen prince duke noble bishop pope cash card rush
    grant mark bill will hope faith grace joy honor honour victor chance patience prudence iris daisy lily heather hazel
    rusty dusty sunny sandy stormy star sky ocean river lake forest wood woods stone rock hill fields meadows banks
    bridges church castle hall house park gates street lane knight hunter fisher baker cook miller mason carpenter
    cooper porter potter taylor turner weaver smith butler parker walker rider sailor major minor general sergeant
    marshall chief head foot hand back love strong wise good sharp swift bright sweet moody small little large big hardy
    power bond marks waters wells mills fox wolf lamb bull crane drake finch swan martin robin jay raven hawks savage
    german french english welsh holland china france india asia america israel europe lance spear archer angel christian
    camel pilot paris may destiny genesis trinity harmony melody essence journey legend memory miracle justice liberty
    independence sincere messiah royal regal true pace ball bell ray ring page reed rice root sales skinner snow spears
    stark steel summers tanner vance ward ware web weeks west north south east winters work works wynn york new old
    public private open closed free pro plus basic standard premium express economy daily weekly monthly yearly hourly
    draft pending active paid do le so an la son sen max min an ba ha he ho ma me my no on or to us we in is it of at by
    am be go if up as mobile lady sir man male female none other unknown base core main test beta alpha delta
    gamma omega mercury venus mars jupiter saturn luna nova echo tango victoria sierra golden media""".split()
)
_STREETS = """
    alley annex arcade av ave avenue bayou bluff bluffs blvd boulevard bridge brook brooks burg burgs bypass camp
    canyon cape causeway centers cir circle circles cliff cliffs close corner corners court cove coves creek
    crescent crest crossing ct curve dale dam dr drive estate estates expressway extension extensions fall falls
    ferry field fields flat flats ford fords forest forge forges fork forks fort freeway garden gardens gateway
    glen glens green greens grove groves harbor harbors haven height heights highway hill hills hollow hwy inlet
    island islands isle junction junctions knoll knolls lake lakes landing lane ln lock locks lodge loop manor
    manors meadow meadows mews mill mills mount mountain mountains neck orchard oval overpass park parks parkway
    pass passage path pike pine pines pkwy pl place plain plains plaza port ports prairie radial ramp ranch rapid
    rapids rd ridge river road route row shoal shoals shore shores spring springs spur spurs sq square st stravenue
    stream street terr terrace throughway trafficway trail trl tunnel turnpike valley valleys via viaduct village
    villages ville vista walk way well wells
""".split()
_BEFORE = (
    "rue avenue boulevard chemin impasse allée quai place via viale piazza corso calle avenida plaza paseo rua".split()
)
_BEFORE += "travessa ulica ul al улица ул".split()
_ROOMS = "apt apartment suite unit flat box".split()
_ENDS = (
    "straße strasse str gasse weg platz allee ring damm ufer straat laan plein gatan vägen vej gade gate veien katu tie"
)
STREET_ENDS = tuple(end + sign for end in _ENDS.split() for sign in ("", "."))
STREET_WORDS = frozenset(word + sign for word in (*_STREETS, *_BEFORE, *_ROOMS) for sign in ("", ".", ":"))
STREET = (
    rf"\b\d{{1,6}}[a-z]?(?:[-/]\d+)?,?\s+(?:[^\W\d][\w.'’-]*\s+){{1,4}}(?:{'|'.join(_STREETS)})\b\.?"  # 12 Long Lane
    rf"|\b[^\W\d][\w.'’-]*(?:{_ENDS.replace(' ', '|')})\.?\s+\d+"  # Lange Straße 12
    rf"|\b(?:{'|'.join(_BEFORE)})\.?\s+[^\W\d][\w.'’ -]*,?\s*\d+"  # Via Lunga 12
    rf"|\b\d+\w?,?\s+(?:bis\s+|ter\s+)?(?:{'|'.join(_BEFORE)})\.?\s+[^\W\d]"  # 12 bis rue Longue
    r"|\b(?:apt|apartment|suite|unit|flat)\.?\s+#?\d+\w?\b|\bP\.?\s?O\.?\s?Box\s+\d+"
)
# Words of statuses and kinds, which are no names though each may begin with a capital.
USUAL = frozenset(
    (
        "in on to of for by at and or not no yes new old open closed pending progress started stopped done "
        "approved rejected active inactive paid unpaid sent received shipped delivered cancelled returned "
        "refunded failed error warning draft review published archived deleted blocked hold waiting ready "
        "complete completed partial partially fully single multi use user admin owner guest member manager "
        "support sales card bank transfer credit debit cash invoice gift voucher first second third high "
        "medium low normal urgent north south east west united states kingdom "
    ).split()
)
# The last words of a column's name that stand for a person, who may be told by a short name or a login.
PEOPLE = frozenset(
    """assignee assigned doctor physician dentist nurse surgeon therapist counselor counsellor psychologist midwife vet
    agent rep reps representative owner driver courier chauffeur teacher tutor professor lecturer student pupil patient
    employee staff worker clerk cashier operator seller buyer vendedor salesperson salesman salesrep manager supervisor
    boss chief foreman contact person people user member customer client guest tenant landlord lessee lawyer attorney
    solicitor notary judge trainer coach instructor mentor mentee reviewer approver editor creator requester requestor
    requestee reporter submitter uploader modifier updater responsible witness signer translator interpreter technician
    mechanic engineer developer officer inspector auditor consultant advisor adviser broker dealer recruiter candidate
    applicant caller callee inviter invitee attendee participant passenger pilot captain nanny sitter cleaner guardian
    parent mother father husband wife child son daughter sibling relative heir donor borrower debtor creditor insured
    claimant plaintiff defendant suspect victim informant resident occupant subscriber follower admin moderator stylist
    actor organizer organiser planner dispatcher picker packer rider waiter chef bartender barista host hostess
    bearbeiter sachbearbeiter arzt aerztin kunde kundin fahrer mitarbeiter verkaeufer betreuer berater ansprechpartner
    kontakt patientin lehrer schueler inhaber besitzer eigentuemer mieter vermieter leiter pfleger benutzer nutzer
    bediener ersteller medecin infirmier vendeur auteur responsable proprietaire conducteur chauffeur eleve utilisateur
    medico enfermero usuario cliente empleado dueno propietario conductor alumno paciente profesor creador lekarz
    kierowca klient pracownik wlasciciel opiekun""".split()
)
# What may follow such a word without a change of what is meant: staff_code, assigned_to.
OF_PEOPLE = frozenset("to id ids code codes ref initials short abbr abbreviation nr no key keys".split())
# What stands before "by" where nobody does it.
NOT_BY = frozenset("sort sorted order ordered group grouped filter partition partitioned split powered".split())
# What a person's column holds where nobody is meant: systems, roles and ways.
NOBODY = frozenset(
    """system admin admins administrator root superuser bot bots robot cron crontab api import importer imported export
    exporter migration migrator batch job jobs scheduler scheduled service services daemon script auto automatic
    automatically automation automated manual manually staff team support helpdesk user users guest customer customers
    client owner member manager employee supervisor agent agents operator doctor nurse driver none nobody noone unknown
    anonymous other others na nil unassigned assigned unset default test tester demo sample example public internal
    external web website app apps application ios android windows linux macos mobile desktop tablet browser chrome
    firefox safari edge opera email mail phone telephone sms post fax chat letter online offline self myself company
    organization organisation individual person private business partner vendor supplier agency store shop office
    warehouse headquarters branch queue pool group everyone anyone anybody somebody all any both first second third
    primary secondary backup main junior senior lead head new old current former yes no true false null legacy sync
    webhook integration backend frontend server worker workers trigger database postgres robo human machine computer
    department dept finance accounting accounts billing marketing legal operations ops security engineering devops
    development dev qa sre it hr facility logistics procurement purchasing management board committee council
    day night early late shift morning afternoon evening north south east west
    never always once daily weekly monthly yearly active inactive pending open closed low medium high normal urgent
    system_user superadmin moderator editor viewer reader writer author reviewer approver requester creator reporter
    gmbh inc ltd llc corp co ag sa plc""".split()
)
# Ends of names of what is counted or measured, in which long numbers are no numbers of anybody.
MEASURES = frozenset(
    """bytes byte size cents cent pence sum total totals amount amounts balance price cost revenue salary value values
    count counts counter ms us ns micros millis nanos seconds secs sec epoch timestamp ts time date at until since
    duration age length offset position pos seq sequence order rank version revision xid lsn txid hash checksum crc
    bits flags mask score points weight width height distance rate ratio limit quota capacity usage population views
    hits clicks impressions reads writes rows lines barcode ean gtin upc isbn issn asin sku""".split()
)
