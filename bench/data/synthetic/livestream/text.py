"""Texts whose level is the number of high words among six graded ones."""

from dataclasses import dataclass

import numpy as np

GRADED = 6
FILLERS = 2

GOODS = "连衣裙 面膜 口红 坚果 茶叶 童鞋 项链 床单 耳机 跑鞋 毛衣 精华液"
FIELDS = "女装 男装 护肤 彩妆 零食 茶饮 童装 家纺 珠宝 数码"
NAMES = "阿琳 雯雯 子涵 大力 可可 老陈 思思 阿福 嘉怡 阿杰"
PROMISES = "包邮 七天退换 运费险 次日达 正品保障 假一赔十 极速退款 送货上门"
PLACES = "江南 岭南 云上 东街 海城 西湖 北岸 山城 花都 锦里"
SHOPS = "专卖店 集合店 工厂店 小铺 生活馆 百货店 直营店 优品屋"
HOURS = "今晚 周末 午间 早场 夜场 十点 换季 开仓 上新 返场"


@dataclass(frozen=True)
class Vocabulary:
    """The words of one attribute: six high, six low, and fillers that say nothing.

    The high words have one character in common and so have the low ones, as a class of words often does in
    Chinese (hot: 热卖, 热门, 热销). A count of characters then tells the level after a few hundred rows.
    """

    high: tuple[str, ...]
    low: tuple[str, ...]
    fillers: tuple[str, ...]
    joint: str


def _words(high: str, low: str, fillers: str, joint: str = " ") -> Vocabulary:
    return Vocabulary(tuple(high.split()), tuple(low.split()), tuple(fillers.split()), joint)


VOCABULARIES: dict[str, dict[str, Vocabulary]] = {
    "anchor": {
        "broadCasterField": _words(
            "红人 红榜 当红 走红 红火 网红", "新人 新手 新晋 新秀 新开 新来", FIELDS, "/"
        ),
        "categoryName": _words("优选 优质 优品 优享 优购 优佳", "普通 普货 普选 普品 普惠 普销", FIELDS, "/"),
        "nick": _words("星光 星耀 星辰 明星 星悦 星河", "小白 小鱼 小草 小巷 小禾 小叶", NAMES, ""),
        "tags": _words("热卖 热门 热销 热评 热推 热播", "冷门 冷清 冷淡 冷静 冷场 偏冷", FIELDS, "、"),
    },
    "commodity": {
        "title": _words("爆款 爆卖 爆品 爆单 火爆 爆红", "旧款 旧版 旧色 旧样 陈旧 旧季", GOODS),
        "itemRights": _words(
            "满减 立减 直减 折减 减免 减价", "无券 无赠 无返 无折 无礼 无补", PROMISES, "、"
        ),
        "brandName": _words("华贵 尊贵 贵雅 名贵 贵族 珍贵", "朴素 质朴 朴实 古朴 简朴 纯朴", PLACES, ""),
        "shopName": _words("旺铺 兴旺 旺达 旺盛 旺角 旺丰", "静巷 静居 静水 宁静 静谧 静安", SHOPS, ""),
        "categoryName": _words("精选 精品 精致 精美 精装 精良", "散装 散货 散件 散称 散客 散卖", FIELDS, "/"),
    },
    "room": {
        "title": _words("嗨购 嗨播 嗨抢 嗨翻 嗨价 嗨场", "闲聊 闲逛 闲谈 闲坐 闲看 清闲", HOURS),
        "tag": _words("抢购 疯抢 秒抢 抢先 抢手 抢鲜", "慢播 慢聊 慢看 慢选 慢品 慢逛", FIELDS, "、"),
    },
}


def write(vocabulary: Vocabulary, level: int, rng: np.random.Generator) -> str:
    """A text of two fillers and six graded words, `level` (0..6) of them high, in random order."""
    graded = [*rng.choice(vocabulary.high, level, replace=False)]
    graded += [*rng.choice(vocabulary.low, GRADED - level, replace=False)]
    fillers = rng.choice(vocabulary.fillers, FILLERS, replace=False)
    return vocabulary.joint.join([*fillers, *rng.permutation(graded)])
