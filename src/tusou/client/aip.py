"""The vendor's Python client by its own method names: a program changes one import.

    from tusou.client import AipImageSearch  # instead of: from aip import AipImageSearch
    client = AipImageSearch(app_id, api_key, secret_key, host="http://127.0.0.1:8080")

Names and parameters are those of `baidu-aip` 4.16.13. A picture is given as bytes, or as its file's
path.
"""

from collections.abc import Mapping
from typing import Any

from tusou.client.connection import Answer, Connection
from tusou.client.pictures import Image

Options = Mapping[str, Any] | None
"""Further fields of a call, such as `tags`, `pn` and `rn`; a field given here wins."""


class AipImageSearch(Connection):
    """The five services, ten calls each."""

    def _ask(self, service: str, operation: str, options: Options, **fields: Any) -> Answer:
        return self.call(service, operation, fields | dict(options or {}))

    # 相同图片

    def sameHqAdd(self, image: Image, brief: str, options: Options = None) -> Answer:
        """Add a picture."""
        return self._ask("same_hq", "add", options, image=image, brief=brief)

    def sameHqAddUrl(self, url: str, brief: str, options: Options = None) -> Answer:
        """Add the picture of an address."""
        return self._ask("same_hq", "add", options, url=url, brief=brief)

    def sameHqSearch(self, image: Image, options: Options = None) -> Answer:
        """Search by picture."""
        return self._ask("same_hq", "search", options, image=image)

    def sameHqSearchUrl(self, url: str, options: Options = None) -> Answer:
        """Search by the picture of an address."""
        return self._ask("same_hq", "search", options, url=url)

    def sameHqUpdate(self, image: Image, options: Options = None) -> Answer:
        """Change a picture's brief or classes."""
        return self._ask("same_hq", "update", options, image=image)

    def sameHqUpdateUrl(self, url: str, options: Options = None) -> Answer:
        """Change those of the picture of an address."""
        return self._ask("same_hq", "update", options, url=url)

    def sameHqUpdateContSign(self, cont_sign: str, options: Options = None) -> Answer:
        """Change those of the picture of a sign."""
        return self._ask("same_hq", "update", options, cont_sign=cont_sign)

    def sameHqDeleteByImage(self, image: Image, options: Options = None) -> Answer:
        """Delete a picture."""
        return self._ask("same_hq", "delete", options, image=image)

    def sameHqDeleteByUrl(self, url: str, options: Options = None) -> Answer:
        """Delete the picture of an address."""
        return self._ask("same_hq", "delete", options, url=url)

    def sameHqDeleteBySign(self, cont_sign: str, options: Options = None) -> Answer:
        """Delete pictures by their signs, semicolons between."""
        return self._ask("same_hq", "delete", options, cont_sign=cont_sign)

    # 相似图片

    def similarAdd(self, image: Image, brief: str, options: Options = None) -> Answer:
        """Add a picture."""
        return self._ask("similar", "add", options, image=image, brief=brief)

    def similarAddUrl(self, url: str, brief: str, options: Options = None) -> Answer:
        """Add the picture of an address."""
        return self._ask("similar", "add", options, url=url, brief=brief)

    def similarSearch(self, image: Image, options: Options = None) -> Answer:
        """Search by picture."""
        return self._ask("similar", "search", options, image=image)

    def similarSearchUrl(self, url: str, options: Options = None) -> Answer:
        """Search by the picture of an address."""
        return self._ask("similar", "search", options, url=url)

    def similarUpdate(self, image: Image, options: Options = None) -> Answer:
        """Change a picture's brief or classes."""
        return self._ask("similar", "update", options, image=image)

    def similarUpdateUrl(self, url: str, options: Options = None) -> Answer:
        """Change those of the picture of an address."""
        return self._ask("similar", "update", options, url=url)

    def similarUpdateContSign(self, cont_sign: str, options: Options = None) -> Answer:
        """Change those of the picture of a sign."""
        return self._ask("similar", "update", options, cont_sign=cont_sign)

    def similarDeleteByImage(self, image: Image, options: Options = None) -> Answer:
        """Delete a picture."""
        return self._ask("similar", "delete", options, image=image)

    def similarDeleteByUrl(self, url: str, options: Options = None) -> Answer:
        """Delete the picture of an address."""
        return self._ask("similar", "delete", options, url=url)

    def similarDeleteBySign(self, cont_sign: str, options: Options = None) -> Answer:
        """Delete pictures by their signs, semicolons between."""
        return self._ask("similar", "delete", options, cont_sign=cont_sign)

    # 商品图片

    def productAdd(self, image: Image, brief: str, options: Options = None) -> Answer:
        """Add a picture."""
        return self._ask("product", "add", options, image=image, brief=brief)

    def productAddUrl(self, url: str, brief: str, options: Options = None) -> Answer:
        """Add the picture of an address."""
        return self._ask("product", "add", options, url=url, brief=brief)

    def productSearch(self, image: Image, options: Options = None) -> Answer:
        """Search by picture."""
        return self._ask("product", "search", options, image=image)

    def productSearchUrl(self, url: str, options: Options = None) -> Answer:
        """Search by the picture of an address."""
        return self._ask("product", "search", options, url=url)

    def productUpdate(self, image: Image, options: Options = None) -> Answer:
        """Change a picture's brief or classes."""
        return self._ask("product", "update", options, image=image)

    def productUpdateUrl(self, url: str, options: Options = None) -> Answer:
        """Change those of the picture of an address."""
        return self._ask("product", "update", options, url=url)

    def productUpdateContSign(self, cont_sign: str, options: Options = None) -> Answer:
        """Change those of the picture of a sign."""
        return self._ask("product", "update", options, cont_sign=cont_sign)

    def productDeleteByImage(self, image: Image, options: Options = None) -> Answer:
        """Delete a picture."""
        return self._ask("product", "delete", options, image=image)

    def productDeleteByUrl(self, url: str, options: Options = None) -> Answer:
        """Delete the picture of an address."""
        return self._ask("product", "delete", options, url=url)

    def productDeleteBySign(self, cont_sign: str, options: Options = None) -> Answer:
        """Delete pictures by their signs, semicolons between."""
        return self._ask("product", "delete", options, cont_sign=cont_sign)

    # 绘本图片

    def pictureBookAddImage(self, image: Image, brief: str, options: Options = None) -> Answer:
        """Add a picture."""
        return self._ask("picturebook", "add", options, image=image, brief=brief)

    def pictureBookAddUrl(self, url: str, brief: str, options: Options = None) -> Answer:
        """Add the picture of an address."""
        return self._ask("picturebook", "add", options, url=url, brief=brief)

    def pictureBookSearchImage(self, image: Image, options: Options = None) -> Answer:
        """Search by picture."""
        return self._ask("picturebook", "search", options, image=image)

    def pictureBookSearchUrl(self, url: str, options: Options = None) -> Answer:
        """Search by the picture of an address."""
        return self._ask("picturebook", "search", options, url=url)

    def pictureBookUpdate(self, image: Image, options: Options = None) -> Answer:
        """Change a picture's brief or classes."""
        return self._ask("picturebook", "update", options, image=image)

    def pictureBookUpdateUrl(self, url: str, options: Options = None) -> Answer:
        """Change those of the picture of an address."""
        return self._ask("picturebook", "update", options, url=url)

    def pictureBookUpdateContSign(self, cont_sign: str, options: Options = None) -> Answer:
        """Change those of the picture of a sign."""
        return self._ask("picturebook", "update", options, cont_sign=cont_sign)

    def pictureBookDeleteByImage(self, image: Image, options: Options = None) -> Answer:
        """Delete a picture."""
        return self._ask("picturebook", "delete", options, image=image)

    def pictureBookDeleteByUrl(self, url: str, options: Options = None) -> Answer:
        """Delete the picture of an address."""
        return self._ask("picturebook", "delete", options, url=url)

    def pictureBookDeleteBySign(self, cont_sign: str, options: Options = None) -> Answer:
        """Delete pictures by their signs, semicolons between."""
        return self._ask("picturebook", "delete", options, cont_sign=cont_sign)

    # 面料图片

    def materielAdd(self, image: Image, brief: str, options: Options = None) -> Answer:
        """Add a picture."""
        return self._ask("materiel", "add", options, image=image, brief=brief)

    def materielAddUrl(self, url: str, brief: str, options: Options = None) -> Answer:
        """Add the picture of an address."""
        return self._ask("materiel", "add", options, url=url, brief=brief)

    def materielSearch(self, image: Image, options: Options = None) -> Answer:
        """Search by picture."""
        return self._ask("materiel", "search", options, image=image)

    def materielSearchUrl(self, url: str, options: Options = None) -> Answer:
        """Search by the picture of an address."""
        return self._ask("materiel", "search", options, url=url)

    def materielUpdate(self, image: Image, brief: str, options: Options = None) -> Answer:
        """Change a picture's brief or classes."""
        return self._ask("materiel", "update", options, image=image, brief=brief)

    def materielUpdateUrl(self, url: str, brief: str, options: Options = None) -> Answer:
        """Change those of the picture of an address."""
        return self._ask("materiel", "update", options, url=url, brief=brief)

    def materielUpdateContSign(self, cont_sign: str, brief: str, options: Options = None) -> Answer:
        """Change those of the picture of a sign."""
        return self._ask("materiel", "update", options, cont_sign=cont_sign, brief=brief)

    def materielDeleteByImage(self, image: Image, options: Options = None) -> Answer:
        """Delete a picture."""
        return self._ask("materiel", "delete", options, image=image)

    def materielDeleteByUrl(self, url: str, options: Options = None) -> Answer:
        """Delete the picture of an address."""
        return self._ask("materiel", "delete", options, url=url)

    def materielDeleteBySign(self, cont_sign: str, options: Options = None) -> Answer:
        """Delete pictures by their signs, semicolons between."""
        return self._ask("materiel", "delete", options, cont_sign=cont_sign)
