"""What the text-to-speech engines say: sentences written for this project, in the manner of telephone prompts.

Even ones are for the evaluation part, odd ones for the development part.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ..types import Part

_EN = """
Your order has been shipped.
The bakery on the corner opens at seven.
Please read the form twice before you sign it.
A taxi will be waiting for you at the main entrance.
The train to the coast leaves from platform nine in twenty minutes.
We could not find a reservation under that family name for this evening.
Thank you, goodbye.
Your library card expires next month.
The museum is closed on public holidays.
To hear the weather for the weekend, stay on the line.
Our technician will arrive on Thursday between ten and noon, so please keep the gate open.
If you would rather speak with a nurse, say her name slowly after this announcement ends.
The pool is heated.
Snow is expected in the valley tonight.
Your parcel is waiting at the neighbour's house.
The next tour of the castle begins beside the old fountain.
All seats on the morning flight are taken, but two are left in the afternoon.
The water will be turned off on Monday while the pipes in your street are being repaired.
The lift is working again.
Your new passport can be collected from the town hall.
"""
_ES = """
Su pedido ya está en camino.
La panadería de la esquina abre a las siete.
Lea el formulario dos veces antes de firmarlo.
Un taxi le esperará delante de la entrada principal.
El tren de la costa sale del andén nueve dentro de veinte minutos.
No encontramos ninguna reserva con ese apellido para esta noche.
Gracias y hasta pronto.
Su carné de la biblioteca vence el mes que viene.
El museo cierra los días festivos.
Para escuchar el tiempo del fin de semana, siga en la línea.
Nuestro técnico llegará el jueves entre las diez y las doce, deje abierta la puerta del patio.
Si prefiere hablar con una enfermera, diga su nombre despacio cuando termine este anuncio.
La piscina está templada.
Esta noche nevará en el valle.
Su paquete está en casa de la vecina.
La próxima visita al castillo empieza junto a la fuente antigua.
No quedan plazas en el vuelo de la mañana, pero hay dos por la tarde.
El lunes se cortará el agua mientras se reparan las tuberías de su calle.
El ascensor vuelve a funcionar.
Puede recoger su pasaporte nuevo en el ayuntamiento.
"""
_FR = """
Votre commande est en route.
La boulangerie du coin ouvre à sept heures.
Lisez deux fois le formulaire avant de le signer.
Un taxi vous attendra devant l'entrée principale.
Le train de la côte part du quai numéro neuf dans vingt minutes.
Nous ne trouvons aucune réservation à ce nom pour ce soir.
Merci et à bientôt.
Votre carte de bibliothèque expire le mois prochain.
Le musée est fermé les jours fériés.
Pour entendre la météo du week-end, restez en ligne.
Notre technicien viendra jeudi entre dix heures et midi, laissez le portail ouvert.
Si vous préférez parler à une infirmière, dites son nom lentement après cette annonce.
La piscine est chauffée.
Il neigera cette nuit dans la vallée.
Votre colis vous attend chez la voisine.
La prochaine visite du château commence près de la vieille fontaine.
Le vol du matin est complet, mais il reste deux places l'après-midi.
L'eau sera coupée lundi pendant la réparation des tuyaux de votre rue.
L'ascenseur fonctionne de nouveau.
Vous pouvez retirer votre passeport neuf à la mairie.
"""
_IT = """
Il suo ordine è in viaggio.
Il fornaio all'angolo apre alle sette.
Legga due volte il modulo prima di firmarlo.
Un taxi la aspetterà davanti all'ingresso principale.
Il treno per la costa parte dal binario nove fra venti minuti.
Non troviamo nessuna prenotazione a quel nome per questa sera.
Grazie e a presto.
La sua tessera della biblioteca scade il mese prossimo.
Il museo è chiuso nei giorni festivi.
Per ascoltare il tempo del fine settimana, resti in linea.
Il nostro tecnico arriverà giovedì fra le dieci e mezzogiorno, lasci aperto il cancello.
Se preferisce parlare con un'infermiera, dica piano il suo nome dopo questo annuncio.
La piscina è riscaldata.
Stanotte nevicherà nella valle.
Il suo pacco la aspetta dalla vicina.
La prossima visita al castello comincia accanto alla vecchia fontana.
Il volo del mattino è pieno, ma nel pomeriggio restano due posti.
Lunedì mancherà l'acqua mentre si riparano i tubi della sua strada.
L'ascensore funziona di nuovo.
Può ritirare il passaporto nuovo in municipio.
"""
_RU = """
Ваш заказ уже в пути.
Пекарня на углу открывается в семь часов.
Прочитайте анкету дважды, прежде чем подписать её.
Такси будет ждать вас у главного входа.
Поезд к морю отправляется с девятой платформы через двадцать минут.
На эту фамилию на сегодняшний вечер ничего не заказано.
Спасибо и до скорой встречи.
Ваш читательский билет действует до конца месяца.
В праздничные дни музей закрыт.
Чтобы услышать погоду на выходные, оставайтесь на линии.
Наш мастер придёт в четверг между десятью и двенадцатью, оставьте калитку открытой.
Если вы хотите поговорить с медсестрой, медленно назовите её имя после объявления.
Вода в бассейне тёплая.
Сегодня ночью в долине пойдёт снег.
Ваша посылка ждёт у соседки.
Следующая экскурсия по замку начнётся у старого фонтана.
На утренний рейс мест нет, но осталось два на вечерний.
В понедельник не будет воды, пока на вашей улице чинят трубы.
Лифт снова работает.
Новый паспорт можно получить в ратуше.
"""

SENTENCES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        language: tuple(text.strip().splitlines())
        for language, text in (("en", _EN), ("es", _ES), ("fr", _FR), ("it", _IT), ("ru", _RU))
    }
)


def texts(language: str, part: Part) -> dict[str, str]:
    """Sentences of a language for a part by their ids (en-04); no part has one of another. {} for other languages."""
    odd = 1 if part == "dev" else 0
    of = SENTENCES.get(language, ())
    return {f"{language}-{i:02d}": text for i, text in enumerate(of) if i % 2 == odd}
