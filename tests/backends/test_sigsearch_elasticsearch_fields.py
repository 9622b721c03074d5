"""ImageSignature: what a document of elasticsearch-dsl keeps of a picture, and in which mapping."""

import copy
import io
import json
import pickle

import elasticsearch
import numpy as np
import PIL.Image
import pytest
from elasticsearch.dsl import Document, InnerDoc, Keyword, Object, Text
from elasticsearch.dsl.exceptions import ValidationException
from elasticsearch.dsl.response import Hit
from sigsearch_elasticsearch import ImageSignature, SimilarImage, StoredSignature, fields

from sigsearch import compute_signature
from sigsearch.errors import (
    FormatVersionError,
    ImageError,
    IndexNotFoundError,
    InputError,
    NotAnIndexError,
    SchemeMismatchError,
    StorageError,
)
from sigsearch.scheme import Scheme
from sigsearch.testing import make_picture

OTHER = Scheme(word_length=8)
SIZE = (64, 48)
MUG = make_picture(1, SIZE)
CUP = make_picture(2, SIZE)
PLAIN = np.full((40, 40), 90, np.uint8)


class Product(Document):
    name = Text()
    picture = ImageSignature()


class Album(Document):
    pictures = ImageSignature(multi=True)


class Owner(InnerDoc):
    portrait = ImageSignature(scheme=OTHER)


class House(Document):
    owner = Object(Owner)


def encoded(picture):
    file = io.BytesIO()
    PIL.Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def stored(picture):
    return ImageSignature().read(picture).to_dict()


@pytest.fixture
def no_reading(monkeypatch):
    def refuse(image, **options):
        raise AssertionError(f"{image!r} was read")

    monkeypatch.setattr(fields, "compute_signature", refuse)


# What is stored


def test_the_mapping_has_words_and_signature_and_keeps_the_scheme():
    properties = Product._doc_type.mapping.to_dict()["properties"]["picture"]["properties"]
    note = json.loads(properties["words"].pop("null_value"))
    assert note == {"sigsearch": 1, "scheme": Scheme().to_json()}
    assert properties == {"words": {"type": "keyword", "doc_values": False}, "signature": {"type": "binary"}}
    scripted = ImageSignature(doc_values=True).to_dict()
    assert scripted["properties"]["signature"] == {"type": "binary", "doc_values": True}


def test_a_picture_is_anything_that_sigsearch_takes(tmp_path):
    path = tmp_path / "mug.png"
    path.write_bytes(encoded(MUG))
    wanted = {"picture": stored(MUG)}
    assert set(wanted["picture"]) == {"words", "signature"}
    assert len(wanted["picture"]["words"]) > 40
    for picture in (
        MUG,
        path,
        str(path),
        path.read_bytes(),
        bytearray(path.read_bytes()),
        io.BytesIO(path.read_bytes()),
        PIL.Image.fromarray(MUG),
        compute_signature(MUG),
        ImageSignature().read(MUG),
    ):
        product = Product(picture=picture)
        product.full_clean()
        assert product.to_dict() == wanted
        assert (product.picture.signature == compute_signature(MUG)).all()
        assert product.picture.words == tuple(wanted["picture"]["words"])


def test_a_picture_is_read_when_the_document_is_saved_and_the_error_names_it(no_reading, monkeypatch):
    product = Product(name="mug", picture="no/such/mug.jpg")
    assert product.picture == "no/such/mug.jpg"
    monkeypatch.undo()
    for read in (product.full_clean, product.to_dict, lambda: product.to_dict(include_meta=True)):
        with pytest.raises(ImageError, match=r"^cannot read no/such/mug\.jpg: no such file$"):
            read()


def test_a_picture_can_be_read_at_once_through_the_field():
    with pytest.raises(ImageError, match="no such file"):
        Product.picture.read("no/such/mug.jpg")
    with io.BytesIO(encoded(MUG)) as file:
        product = Product(picture=Product.picture.read(file))
    assert product.to_dict() == {"picture": stored(MUG)}


def test_a_document_that_is_loaded_and_saved_again_loses_nothing_and_reads_nothing(no_reading):
    # Also what this version would not have written, down to keys that it does not know.
    source = {"name": "mug", "picture": {"words": ["b", "a"], "signature": "AAAA", "box": [0, 1]}}
    product = Product.from_es({"_id": "1", "_source": copy.deepcopy(source)})
    assert product.to_dict() == source
    product.name = "mug"
    product.full_clean()
    assert product.to_dict() == source
    assert pickle.loads(pickle.dumps(product)).to_dict() == source
    assert copy.deepcopy(product).to_dict() == source


def test_another_picture_takes_the_place_of_the_first_and_none_removes_it():
    product = Product.from_es({"_source": {"picture": stored(MUG)}})
    product.picture = CUP
    product.full_clean()
    assert product.to_dict() == {"picture": stored(CUP)}
    product.picture = None
    product.full_clean()
    assert product.to_dict() == {}
    assert product.to_dict(skip_empty=False)["picture"] is None
    assert Product().picture is None


def test_a_picture_without_features_is_stored_and_has_no_words():
    product = Product(picture=PLAIN)
    product.full_clean()
    assert product.picture.featureless
    assert product.picture.words == ()
    # But the server must see that it is there.
    assert product.to_dict()["picture"]["words"] == ["no words"]
    assert not Product.picture.read(MUG).featureless


def test_a_required_picture_must_be_there():
    class Portrait(Document):
        picture = ImageSignature(required=True)

    with pytest.raises(ValidationException, match="required"):
        Portrait().full_clean()
    Portrait(picture=PLAIN).full_clean()


def test_a_field_of_several_pictures_is_a_list():
    album = Album(pictures=[MUG, encoded(CUP)])
    album.full_clean()
    assert [picture.featureless for picture in album.pictures] == [False, False]
    album.pictures.append(PLAIN)
    assert album.to_dict() == {"pictures": [stored(MUG), stored(CUP), stored(PLAIN)]}
    loaded = Album.from_es({"_source": album.to_dict()})
    assert [type(picture) for picture in loaded.pictures] == [StoredSignature] * 3
    assert loaded.to_dict() == album.to_dict()
    empty = Album()
    assert list(empty.pictures) == []
    empty.pictures.append(MUG)
    assert empty.to_dict() == {"pictures": [stored(MUG)]}


def test_a_field_in_an_inner_document_has_its_own_scheme():
    house = House(owner=Owner(portrait=MUG))
    house.full_clean()
    assert house.to_dict() == {"owner": {"portrait": ImageSignature(scheme=OTHER).read(MUG).to_dict()}}
    assert House.owner.portrait.scheme == OTHER
    assert str(House.owner.portrait) == "owner.portrait"
    mapping = House._doc_type.mapping.to_dict()["properties"]["owner"]["properties"]["portrait"]
    assert json.loads(mapping["properties"]["words"]["null_value"])["scheme"] == OTHER.to_json()


def test_what_a_hit_without_a_document_class_holds_can_be_given_to_another_document():
    hit = Hit({"_source": {"picture": stored(MUG)}})
    product = Product(picture=hit.picture)
    product.full_clean()
    assert product.to_dict() == {"picture": stored(MUG)}


def test_a_document_that_was_read_without_its_signature_says_so():
    product = Product.from_es({"_source": {"picture": {"words": ["a"]}}})
    with pytest.raises(StorageError, match=r"read without its signature; do not leave it out of source\(\)"):
        _ = product.picture.signature


def test_stored_signatures_are_equal_if_the_same_is_stored():
    assert Product.picture.read(MUG) == Product.picture.read(MUG)
    assert Product.picture.read(MUG) != Product.picture.read(CUP)
    assert Product.picture.read(MUG) != "mug.jpg"


def test_a_scheme_is_a_scheme():
    with pytest.raises(InputError, match="wanted a Scheme, found 9"):
        ImageSignature(scheme=9)


# On a server


def found(client, name, picture):
    client.indices.refresh(index=name)
    return sorted(hit.meta.id for hit in Product.search(using=client, index=name).query(picture))


def test_a_picture_stays_findable_through_a_save_an_update_and_a_save(client, name):
    Product.init(index=name, using=client)
    similar = SimilarImage(Product.picture, MUG)
    Product(meta={"id": "1"}, name="mug", picture=MUG).save(index=name, using=client)
    assert found(client, name, similar) == ["1"]
    client.update(index=name, id="1", doc={"name": "cup"})
    assert found(client, name, similar) == ["1"]
    product = Product.get("1", index=name, using=client)
    assert (product.picture.signature == compute_signature(MUG)).all()
    product.update(name="a mug again", using=client)
    assert found(client, name, similar) == ["1"]
    product.save(using=client)
    assert found(client, name, similar) == ["1"]
    product.update(picture=CUP, using=client)
    assert found(client, name, SimilarImage(Product.picture, CUP)) == ["1"]
    assert Product.get("1", index=name, using=client).to_dict()["picture"] == stored(CUP)
    product.picture = None
    product.save(using=client)
    assert found(client, name, SimilarImage(Product.picture, CUP)) == []


def test_the_field_is_added_to_an_index_that_is_there_once_and_again(client, name):
    client.indices.create(index=name, mappings={"properties": {"name": {"type": "text"}}})
    client.index(index=name, id="1", document={"name": "mug"})
    for _ in range(2):
        ImageSignature.add_to_mapping(client, name, "picture")
        ImageSignature.add_to_mapping(client, name, "details.front", doc_values=True)
        properties = client.indices.get_mapping(index=name)[name]["mappings"]["properties"]
        assert properties["name"] == {"type": "text"}
        assert properties["picture"]["properties"] == ImageSignature().to_dict()["properties"]
        front = properties["details"]["properties"]["front"]["properties"]
        assert front["signature"] == {"type": "binary", "doc_values": True}
    Product.init(index=name, using=client)  # the class says the same of it
    client.update(index=name, id="1", doc={"picture": stored(MUG)})
    assert found(client, name, SimilarImage("picture", MUG)) == ["1"]


def test_a_field_that_is_something_else_or_of_another_scheme_is_refused(client, name):
    Product.init(index=name, using=client)
    client.indices.put_mapping(index=name, properties={"shop": {"properties": {"town": {"type": "text"}}}})
    for taken in ("name", "shop", "shop.town"):
        with pytest.raises(NotAnIndexError, match=rf"the field '{taken}' of the index '{name}' is there"):
            ImageSignature.add_to_mapping(client, name, taken)
    with pytest.raises(SchemeMismatchError, match="another scheme: wanted word_length=8, found"):
        ImageSignature.add_to_mapping(client, name, "picture", scheme=OTHER)
    with pytest.raises(SchemeMismatchError, match="was made without doc_values"):
        ImageSignature.add_to_mapping(client, name, "picture", doc_values=True)
    with pytest.raises(IndexNotFoundError, match=f"no index matches '{name}-gone'"):
        ImageSignature.add_to_mapping(client, f"{name}-gone", "picture")
    newer = Keyword(null_value='{"sigsearch":2,"scheme":{}}').to_dict()
    client.indices.put_mapping(index=name, properties={"newer": {"properties": {"words": newer}}})
    with pytest.raises(FormatVersionError, match="has format 2, this version of sigsearch writes 1"):
        ImageSignature.add_to_mapping(client, name, "newer")


def test_the_server_itself_refuses_a_document_class_of_another_scheme(client, name):
    class Other(Document):
        picture = ImageSignature(scheme=OTHER)

    Product.init(index=name, using=client)
    with pytest.raises(elasticsearch.BadRequestError, match=r"Cannot update parameter \[null_value\]"):
        Other.init(index=name, using=client)


def test_a_server_out_of_reach_is_an_error_of_sigsearch():
    with (
        elasticsearch.Elasticsearch("http://127.0.0.1:9", max_retries=0) as client,
        pytest.raises(StorageError, match="cannot reach the index 'products'"),
    ):
        ImageSignature.add_to_mapping(client, "products", "picture")


def test_a_field_keeps_one_signature_so_regions_are_refused():
    with pytest.raises(InputError, match="wanted a scheme of whole pictures"):
        ImageSignature(scheme=Scheme(views="regions"))
